"""The project's own local cluster: `python -m local` and `local.targets` bring it up and down, cluster tests too.

What does not depend on each other starts at the same time; what waits, polls. See docs/local-cluster.md.
"""

import fcntl
import shutil
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from local import (
    addons,
    cilium,
    components,
    debian,
    images,
    network,
    node,
    nodeimages,
    paths,
    processes,
    toolchain,
)
from local.api import Api, has_condition
from local.components import NODE_POD_SUBNET, ControlPlane
from local.controlplane import make_credentials
from local.images import ImageArchive
from local.machine import Machine
from local.machine_init import MACHINE
from local.pki import Authority, Identity
from local.steps import StepFailedError, cancelled, say, step, wait_until

BINARIES = (*toolchain.CONTROL_PLANE, *toolchain.NODE, "envoy-gateway")
SYSTEM_IMAGES = ("pause", "coredns", "envoy", "envoy-gateway")
GATEWAY_FORWARD = "gateway-forward"


@dataclass(frozen=True)
class Cluster:
    """A local cluster by name, running or not."""

    name: str = "agentos"

    @property
    def machine(self) -> Machine:
        """The namespaces that it lives in."""
        return Machine(self.name)

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig; the host reaches the server in it."""
        return self.machine.state / "kubeconfigs/admin.yaml"

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
        item = Api(self.kubeconfig).get(f"/api/v1/nodes/{self.name}")
        return bool(item and has_condition(item, "Ready"))

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


def _up(cluster: Cluster, port: int, extra: Iterable[ImageArchive]) -> None:
    debian.ensure(debian.NODE + debian.NETWORK_POLICY)
    binaries = toolchain.ensure(BINARIES)
    with step("unpacked charts and sources", quiet_below=0.5):
        cilium.sources()
        addons.gateway_chart()
    system = images.ensure(SYSTEM_IMAGES)
    with step("removed what the last cluster left", quiet_below=1.0):
        _remove(cluster)
    listener = _listen(port)
    try:
        _start(cluster, binaries, {**system, **{image.name: image for image in extra}})
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


def _start(cluster: Cluster, binaries: dict[str, Path], found: dict[str, ImageArchive]) -> None:
    """Start everything. Two strands meet: containerd with its images, and the control plane with the network."""
    machine = cluster.machine
    plane = _prepare(cluster, binaries, found["pause"].ref)
    with step("machine"):
        machine.start()
    with _strands() as pool:
        runtime = pool.submit(nodeimages.start_containerd, machine)
        loaded = pool.submit(_load, runtime, machine, found.values())
        with step("control plane"):
            _control_plane(machine, plane)
        network = pool.submit(_pod_network, cluster, binaries)
        runtime.result()
        _node(cluster, binaries)
        pending = [loaded, network, pool.submit(_dns, cluster, binaries["kubectl"], found, loaded)]
        pending.append(pool.submit(_gateway, cluster, binaries, found, loaded))
        _gather(pending)


def _load(runtime: Future[None], machine: Machine, found: Iterable[ImageArchive]) -> None:
    runtime.result()
    with step("images", quiet_below=0.5):
        nodeimages.prune(machine, found)
        nodeimages.load(machine, found)


def _prepare(cluster: Cluster, binaries: dict[str, Path], pause: str) -> ControlPlane:
    """Write every file that the components read; returns the control plane as they see it."""
    machine, name = cluster.machine, cluster.name
    address = machine.link.node
    paths.private_folder(machine.state)
    kubelet = Identity("kubelet", f"system:node:{name}", "system:nodes")
    outside = ControlPlane(binaries, machine.state, address)
    make_credentials(outside, (address, "127.0.0.1", "localhost"), [kubelet])
    server = Identity("kubelet-server", f"system:node:{name}", "system:nodes", hosts=(name, address))
    Authority(machine.state / "pki").issue(server)
    node.write(machine.state, network.name_servers(), node.ContainerRuntime(pause, nodeimages.snapshotter(name)))
    inside = {key: cilium.inside(path) for key, path in binaries.items()}
    return replace(outside, binaries=inside, folder=MACHINE)


def _control_plane(machine: Machine, plane: ControlPlane) -> None:
    api = Api(Cluster(machine.name).kubeconfig)
    machine.launch("etcd", components.etcd(plane))
    machine.launch("kube-apiserver", components.apiserver(plane))
    machine.wait_for("kube-apiserver", api.is_ready)
    machine.launch("kube-controller-manager", components.controller_manager(plane))
    machine.launch("kube-scheduler", components.scheduler(plane))


def _node(cluster: Cluster, binaries: dict[str, Path]) -> None:
    machine = cluster.machine
    kubelet = node.kubelet(cilium.inside(binaries["kubelet"]), cluster.name, machine.link.node)
    machine.launch("kubelet", kubelet)
    proxy = [str(cilium.inside(binaries["kube-proxy"])), f"--config={MACHINE / 'conf/kube-proxy.yaml'}"]
    machine.launch("kube-proxy", [*proxy, f"--hostname-override={cluster.name}"])


def _pod_network(cluster: Cluster, binaries: dict[str, Path]) -> None:
    machine = cluster.machine
    with step("pod network with policies (Cilium)"):
        cilium.start(machine, Api(cluster.kubeconfig), binaries)
        node.write_cni(machine.state, NODE_POD_SUBNET, policies=True)
    with step("node ready"):
        machine.wait_for("kubelet", cluster.node_is_ready)


def _dns(cluster: Cluster, kubectl: Path, found: dict[str, ImageArchive], loaded: Future[None]) -> None:
    loaded.result()
    with step("cluster DNS"):
        text = addons.coredns(found["coredns"].ref, network.name_servers())
        addons.kubectl_apply(kubectl, cluster.kubeconfig, text)
        _wait_for_deployment(cluster, "kube-system", "coredns")


def _gateway(cluster: Cluster, binaries: dict[str, Path], found: dict[str, ImageArchive], loaded: Future[None]) -> None:
    loaded.result()
    with step("gateway (Envoy Gateway)"):
        api = Api(cluster.kubeconfig)
        addons.prepare_gateway(binaries["envoy-gateway"], api, cluster.kubeconfig)
        image = found["envoy-gateway"].ref
        addons.install_envoy_gateway(binaries["helm"], cluster.kubeconfig, image, prepared=True)
        addons.apply_gateway(binaries["kubectl"], cluster.kubeconfig, found["envoy"].ref)
        addons.wait_for_gateway(api)


def _wait_for_deployment(cluster: Cluster, namespace: str, name: str) -> None:
    api = Api(cluster.kubeconfig)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    wait_until(
        lambda: has_condition(api.get(path) or {}, "Available"),
        what=f"{namespace}/{name}",
        timeout=180,
        advice=f"See `kubectl describe pods -n {namespace}`.",
    )


def _gather(pending: list[Future[None]]) -> None:
    """Wait for all; the first failure is raised as soon as there is one."""
    while pending:
        for future in [future for future in pending if future.done()]:
            future.result()
            pending.remove(future)
        time.sleep(0.05)


@contextmanager
def _strands() -> Iterator[ThreadPoolExecutor]:
    """Threads for steps that run side by side; when one fails, the others stop waiting."""
    cancelled.clear()
    with ThreadPoolExecutor() as pool:
        try:
            yield pool
        except BaseException:
            cancelled.set()
            raise


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
