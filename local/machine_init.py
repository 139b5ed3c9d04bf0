"""Process 1 of a cluster's machine; `local.machine` starts it inside fresh namespaces, nobody else does.

It has the machine's own root built (local/machine_root.py), then starts components on request, restarts those that
end, and reaps orphans. When it dies, the kernel ends everything inside: that is the whole clean-up of a cluster.
Only the standard library, all of it imported before the root changes.
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

from local import machine_root
from local.machine_root import MACHINE

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


def _bring_up_network(name: str) -> None:
    socket.sethostname(name)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
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
    machine_root.build(state, cache, name)
    _bring_up_network(name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control = MACHINE / "init.sock"
    control.unlink(missing_ok=True)
    listener.bind(str(control))
    control.chmod(0o600)
    listener.listen(16)
    Supervisor(listener).serve()


if __name__ == "__main__":
    main()
