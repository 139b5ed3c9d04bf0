"""Process 1 of a cluster's machine; `local.machine` starts it inside fresh namespaces, nobody else does.

It builds the machine's own root (the host's programs, but private /run, /var and /sys), then starts components on
request, restarts those that end, and reaps orphans. When it dies, the kernel ends everything inside: that is the
whole clean-up of a cluster. Only the standard library, all of it imported before the root changes.
"""

import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from local import cgroups

MACHINE = Path("/machine")
"""The cluster's state folder as seen from inside: a short path, because sockets lie under it."""
_OWN = frozenset({"dev", "machine", "proc", "run", "sys", "var", "lost+found"})
_OWN_IN_VAR = frozenset({"lib", "log", "run"})
_OWN_IN_VAR_LIB = frozenset({"cilium", "cni", "containerd", "containers", "docker", "etcd", "kubelet"})
_KUBELET_TUNABLES = {
    # The kubelet insists on these host-wide settings. It is shown the values that it wants; the host keeps its own.
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
_RESTART_DELAY = 1.0


@dataclass
class Component:
    """A program that is kept running."""

    name: str
    argv: list[str]
    env: dict[str, str]
    descriptor: int | None = None
    """Handed to the program as its descriptor 3: a socket that listens on the host."""
    pid: int = 0
    exits: int = 0
    wanted: bool = True
    due: float = field(default_factory=time.monotonic)

    def spawn(self) -> None:
        """Start it with its output appended to its own log."""
        log = str(MACHINE / "logs" / f"{self.name}.log")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        if self.descriptor is not None:
            actions.append((os.POSIX_SPAWN_DUP2, self.descriptor, 3))
        environment = {"PATH": os.environ["PATH"], "HOME": "/root", **self.env}
        self.pid = os.posix_spawnp(
            self.argv[0],
            self.argv,
            environment,
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGTERM, signal.SIGINT],
        )


class Supervisor:
    """Keeps components running and answers `local.machine` on a socket in the state folder."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.components: dict[str, Component] = {}

    def serve(self) -> None:
        """Run until killed."""
        reader, writer = socket.socketpair()
        for end in (reader, writer, self.listener):
            end.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(reader, selectors.EVENT_READ)
            selector.register(self.listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(self._until_next_start()):
                    if key.fileobj is reader:
                        reader.recv(4096)
                    else:
                        self._answer()
                self._reap()
                self._start_due()

    def _until_next_start(self) -> float | None:
        due = [c.due for c in self.components.values() if c.wanted and not c.pid]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _start_due(self) -> None:
        for component in self.components.values():
            if component.wanted and not component.pid and component.due <= time.monotonic():
                try:
                    component.spawn()
                except OSError as error:
                    print(f"{component.name} cannot start: {error}", flush=True)
                    component.exits += 1
                    component.due = time.monotonic() + _RESTART_DELAY

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for component in self.components.values():
                if component.pid == pid:
                    print(f"{component.name} ended with status {os.waitstatus_to_exitcode(status)}", flush=True)
                    component.pid = 0
                    component.exits += 1
                    component.due = time.monotonic() + _RESTART_DELAY

    def _answer(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            connection.settimeout(2)
            try:
                data, descriptors, _, _ = socket.recv_fds(connection, 262144, 1)
                answer = self._do(json.loads(data), descriptors)
            except (OSError, ValueError, KeyError) as error:
                answer = {"error": str(error)}
            connection.sendall(json.dumps(answer).encode())

    def _do(self, request: dict[str, object], descriptors: list[int]) -> dict[str, object]:
        match request["do"]:
            case "start":
                name = str(request["name"])
                self._stop(name)
                argv, env = request["argv"], request.get("env") or {}
                assert isinstance(argv, list)
                assert isinstance(env, dict)
                descriptor = descriptors[0] if descriptors else None
                self.components[name] = Component(name, argv, env, descriptor)
            case "stop":
                self._stop(str(request["name"]))
            case "status":
                return {c.name: {"pid": c.pid, "exits": c.exits} for c in self.components.values()}
            case other:
                return {"error": f"unknown request {other}"}
        return {}

    def _stop(self, name: str) -> None:
        component = self.components.pop(name, None)
        if component is None:
            return
        if component.descriptor is not None:
            os.close(component.descriptor)
        if component.pid:
            os.kill(component.pid, signal.SIGKILL)
            os.waitpid(component.pid, 0)


def _call(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True)


def _bind(source: str | Path, target: Path, *, recursive: bool = False) -> None:
    target.mkdir(parents=True, exist_ok=True)
    _call("mount", "--rbind" if recursive else "--bind", source, target)


def _mirror(source: Path, target: Path, own: frozenset[str]) -> None:
    """Show the host's folders and links in `source`, except those of which the machine has its own."""
    target.mkdir(exist_ok=True)
    for entry in os.scandir(source):
        if entry.name in own:
            continue
        if entry.is_symlink():
            (target / entry.name).symlink_to(os.readlink(entry.path))
        elif entry.is_dir():
            _bind(entry.path, target / entry.name, recursive=True)


def _lay_out(root: Path, state: Path, cache: Path, name: str) -> None:
    """Fill the new root: the host's folders as they are, private ones where a cluster writes."""
    _mirror(Path("/"), root, _OWN)
    _mirror(Path("/var"), root / "var", _OWN_IN_VAR)
    _mirror(Path("/var/lib"), root / "var/lib", _OWN_IN_VAR_LIB)
    _bind(state, root / "machine")
    _bind(cache, root / "machine/cache")
    _bind(cache / "nodes" / name, root / "var/lib/containerd")
    for folder in ("lib/kubelet", "lib/cni", "log"):
        (state / "var" / folder).mkdir(parents=True, exist_ok=True)
        _bind(state / "var" / folder, root / "var" / folder)
    for folder in ("run", "proc", "sys"):
        (root / folder).mkdir()
    (root / "var/run").symlink_to("/run")
    _bind("/dev", root / "dev", recursive=True)
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "run")
    _call("mount", "-t", "proc", "proc", root / "proc")
    _call("mount", "-t", "sysfs", "sysfs", root / "sys")


def _mount_cgroups(base: Path, found: list[cgroups.Hierarchy]) -> None:
    """The host's hierarchies under the same names; the cgroup namespace makes the cluster's own cgroup their root."""
    if [hierarchy.mount for hierarchy in found] == [base]:
        _call("mount", "-t", "cgroup2", "cgroup2", base)
        return
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", base)
    for hierarchy in found:
        target = base / hierarchy.mount.name
        target.mkdir()
        kind = "cgroup2" if hierarchy.version == 2 else "cgroup"
        options = ["-o", hierarchy.options] if hierarchy.options else []
        _call("mount", "-t", kind, *options, kind, target)
        for controller in hierarchy.options.split(",") if "," in hierarchy.options else []:
            (base / controller).symlink_to(hierarchy.mount.name)


def build_root(state: Path, cache: Path, name: str) -> None:
    """Give the machine its own root, invisible to the host."""
    found = cgroups.hierarchies()
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    root = Path("/run/root")
    root.mkdir()
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root)
    _lay_out(root, state, cache, name)
    (root / "old").mkdir()
    os.chdir(root)
    _call("pivot_root", ".", "old")
    os.chdir("/")
    _call("umount", "-l", "/old")
    Path("/old").rmdir()
    _mount_cgroups(Path("/sys/fs/cgroup"), found)
    if Path("/sys/fs/bpf").exists():
        _call("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
    for key, value in _KUBELET_TUNABLES.items():
        shown = Path("/run/tunables") / key
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(f"{value}\n")
        _call("mount", "--bind", shown, Path("/proc/sys") / key)
    _call("mount", "--make-rshared", "/")
    socket.sethostname(name)
    _call("ip", "link", "set", "lo", "up")
    for setting in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables"):
        file = Path("/proc/sys/net") / setting
        if file.exists():
            file.write_text("1")


def main() -> None:
    """`python -m local.machine_init STATE CACHE NAME`"""
    state, cache, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    os.umask(0o022)
    print(f"init {os.readlink('/proc/self')}", flush=True)
    sys.stdin.read()  # the host moves us into a leaf cgroup first: children would stay behind
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    build_root(state, cache, name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control = MACHINE / "init.sock"
    control.unlink(missing_ok=True)
    listener.bind(str(control))
    control.chmod(0o600)
    listener.listen(16)
    Supervisor(listener).serve()


if __name__ == "__main__":
    main()
