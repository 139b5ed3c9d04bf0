"""The project's own local cluster: `python -m local` and `local.targets` bring it up and down, cluster tests too.

docs/local-cluster.md tells people what it is made of.
"""

import fcntl
import re
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local import addons, bringup, cilium, debian, images, nodeimages, paths, processes, toolchain
from local.api import Api
from local.images import ImageArchive
from local.machine import Machine
from local.steps import StepFailedError, gather, say, step, strands

BINARIES = (*toolchain.CONTROL_PLANE, *toolchain.NODE, "envoy-gateway")
SYSTEM_IMAGES = ("pause", "coredns", "envoy", "envoy-gateway")
GATEWAY_FORWARD = "gateway-forward"


@dataclass(frozen=True)
class Cluster:
    """A local cluster by name, running or not."""

    name: str = "agentos"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", self.name):
            why = f"{self.name!r} cannot be the name of a cluster, which becomes a host name and a folder"
            raise StepFailedError(why, "Use at most 40 lower-case letters, digits and dashes.")

    @property
    def machine(self) -> Machine:
        """The namespaces that it lives in."""
        return Machine(self.name)

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig; the host reaches the server in it."""
        return self.machine.kubeconfig

    @property
    def gateway_address(self) -> str:
        """The gateway on the machine's own address, which this host reaches without a relay: for measurements."""
        return f"{self.machine.link.node}:{addons.NODE_PORT}"

    @property
    def port(self) -> int:
        """The loopback port of the host that leads to the gateway, 0 while there is none."""
        file = self.machine.state / "port"
        return int(file.read_text()) if file.exists() else 0

    def is_healthy(self) -> bool:
        """Whether there is nothing for `up` to do but look."""
        if not self.kubeconfig.exists() or self.machine.init() is None or not self.port:
            return False
        return all(part["pid"] for part in self.machine.components().values()) and self.node_is_ready()

    def node_is_ready(self) -> bool:
        """Whether the one node takes pods."""
        return bringup.node_is_ready(self.machine)

    def load(self, found: Iterable[ImageArchive]) -> None:
        """Put images into the node."""
        nodeimages.load(self.machine, found)


def up(name: str = "agentos", *, port: int = 8080, extra: Iterable[ImageArchive] = ()) -> Cluster:
    """Bring the cluster up, or find it up already; `extra` are images that its node shall have besides its own."""
    processes.require_root()
    cluster = Cluster(name)
    with _alone(name):
        if cluster.is_healthy():
            say(f"  cluster {name} is up already")
            _forward(cluster, port)
            cluster.load(extra)
        else:
            _up(cluster, port, extra)
    return cluster


def prepare(names: Iterable[str] = ()) -> tuple[dict[str, Path], dict[str, ImageArchive]]:
    """Install and build what a cluster takes, and the images of these `names`; its binaries, and all images.

    Images wait for downloads where binaries wait for the processor, so both are made at the same time.
    """
    wanted = (*names, *SYSTEM_IMAGES)
    debian.ensure(debian.NODE + debian.NETWORK_POLICY + debian.IMAGES)
    with strands() as pool:
        binaries, found = pool.submit(toolchain.ensure, BINARIES), pool.submit(images.ensure, wanted)
        gather([binaries, found])
    return binaries.result(), found.result()


def _up(cluster: Cluster, port: int, extra: Iterable[ImageArchive]) -> None:
    binaries, system = prepare()
    with step("unpacked charts and sources", quiet_below=0.5):
        cilium.sources()
        addons.gateway_chart()
    with step("removed what the last cluster left", quiet_below=1.0):
        _remove(cluster)
    listener = _listen(port)
    try:
        bringup.start(cluster.machine, binaries, {**system, **{image.name: image for image in extra}})
        _forward(cluster, port, listener)
    finally:
        listener.close()


def down(name: str = "agentos") -> None:
    """End the cluster and remove its state; images stay in the cache for the next one."""
    processes.require_root()
    with _alone(name):
        _remove(Cluster(name))


def _remove(cluster: Cluster) -> None:
    cluster.machine.stop()
    shutil.rmtree(cluster.machine.state, ignore_errors=True)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """One command at a time per cluster: two `up` at once would take each other for leftovers."""
    with (nodeimages.folder(name).parent / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"  waiting for another command on the cluster {name} to end ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _listen(port: int) -> socket.socket:
    """Take the port before anything is built on it."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        why = f"port {port} of this host cannot be used: {error.strerror}"
        raise StepFailedError(why, "Choose another one with --port (see `ss -ltnp` for who has it).") from error
    return listener


def _forward(cluster: Cluster, port: int, listener: socket.socket | None = None) -> None:
    """Lead the host's loopback port to the gateway.

    The socket belongs to the host's network, the program that accepts on it to the machine: so it ends with it.
    """
    if cluster.port == port and listener is None:
        return
    address = addons.wait_for_gateway(Api(cluster.kubeconfig))
    with listener or _listen(port) as socket_on_host:
        argv = [sys.executable, "-m", "local.forward", address, "80"]
        cluster.machine.launch(GATEWAY_FORWARD, argv, {"PYTHONPATH": str(paths.CHECKOUT)}, socket_on_host)
    paths.write_private(cluster.machine.state / "port", str(port))
