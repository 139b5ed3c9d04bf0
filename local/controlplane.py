"""A real API server for tests and the bench, on free loopback ports in a temporary folder, without nodes or root.

    with controlplane.running() as plane:
        kubeconfig = plane.kubeconfig("admin")

etcd, kube-apiserver and a kube-controller-manager with the controllers that need no pods (namespace deletion,
garbage collection, quota, service accounts). All of it ends with the calling process, however that ends.
"""

import json
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from local import components, debian, paths, toolchain
from local.api import Api
from local.components import ControlPlane, audit_policy
from local.pki import CLIENTS, FRONT_PROXY, Authority, Identity
from local.steps import tail, wait_until

ADVICE = "Look into the quoted log; free memory and disk space are the usual suspects."


@contextmanager
def running(*, pods: bool = False, audited: bool = False, reads_of: Sequence[str] = ()) -> Iterator[ControlPlane]:
    """Start a control plane, hand it out when it is ready, and leave nothing behind.

    With `pods` it has a scheduler and all controllers, for nodes that the caller brings. If `audited`, it
    notes every write in `audit_log`, and what the users `reads_of` read.
    """
    debian.ensure(debian.CONTROL_PLANE)
    binaries = toolchain.ensure(("kube-apiserver", "kube-controller-manager", *(("kube-scheduler",) if pods else ())))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agentos-controlplane-")))
        server, etcd, peer, manager = free_ports(4)
        plane = ControlPlane(binaries, folder, "127.0.0.1", server, etcd, peer, manager, pods, audited)
        if audited:
            plane.audit_policy.write_text(json.dumps(audit_policy(reads_of)))
        make_credentials(plane, ("127.0.0.1", "localhost"))
        stack.enter_context(_process("etcd", components.etcd(plane), folder))
        stack.enter_context(_process("kube-apiserver", components.apiserver(plane), folder))
        api = Api(plane.kubeconfig("admin"))
        log = folder / "kube-apiserver.log"
        wait_until(api.is_ready, what="the API server", timeout=120, advice=ADVICE, log=log)
        # Nodes that the caller brings are pretended: one whose lease comes late has not gone, and would set pods, and
        # all who watch them, in motion.
        manager_command = [*components.controller_manager(plane), "--node-monitor-grace-period=10m"]
        stack.enter_context(_process("kube-controller-manager", manager_command, folder))
        wait_until(
            lambda: bool(api.get("/api/v1/namespaces/default/serviceaccounts/default")),
            what="the controller manager",
            timeout=60,
            advice=ADVICE,
            log=folder / "kube-controller-manager.log",
        )
        if pods:
            stack.enter_context(_process("kube-scheduler", components.scheduler(plane), folder))
        yield plane


def make_credentials(plane: ControlPlane, hosts: Sequence[str], extra: Sequence[Identity] = ()) -> None:
    """Create the authority, the server's certificate and a kubeconfig for every client of `plane`."""
    authority = Authority.create(plane.folder / "pki")
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1")
    authority.issue(Identity("apiserver", "kube-apiserver", hosts=(*hosts, *service)))
    authority.issue(FRONT_PROXY)
    for client in (*CLIENTS, *extra):
        authority.kubeconfig(plane.kubeconfig(client.file), client, f"https://{plane.address}:{plane.port}")


def free_ports(count: int) -> list[int]:
    """Loopback ports that were free a moment ago, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@contextmanager
def _process(name: str, argv: Sequence[str], folder: Path) -> Iterator[None]:
    """Run a component that the kernel ends with us, its output in `folder`."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        command = ["setpriv", "--pdeathsig", "KILL", *argv]
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        yield
    finally:
        if process.poll() is not None:
            paths.write_private(Path(tempfile.gettempdir()) / f"agentos-{name}-died.log", tail(log, 200))
        process.send_signal(signal.SIGKILL)
        process.wait()
