"""Operators and runtimes without the seconds that Python takes to import them: a process that has imported a program
forks at each request.

``python -m tests.forks PROGRAM MODULE...`` is started by ``Forks`` and ends with it. What is forked is a process like
any other: it runs the program's entry point from its beginning, can be killed and stopped, and shares nothing.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Run = Callable[[Sequence[str]], int]


class Forks:
    """Starts one program, such as ``agentos_operator.__main__:run``, with these modules imported already."""

    def __init__(self, program: str, *modules: str) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.forks", program, *modules]
        # What a module reads from the environment when it is imported must be no test's.
        bare = {"PATH": os.environ["PATH"]}
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=bare)

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path, said: str = "") -> Forked:
        """A process of the program with these arguments and no other environment, its output in ``log``; it reads what
        is ``said``."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        log.touch()  # it may be killed before it opens it
        log.with_suffix(".exit").unlink(missing_ok=True)
        log.with_suffix(".said").write_text(said)
        order = {"arguments": [*arguments], "environment": dict(environment), "log": str(log)}
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return Forked(int(self._server.stdout.readline()), log.with_suffix(".exit"))

    def close(self) -> None:
        """End it, and with it whatever it has started."""
        self._server.kill()
        self._server.communicate()


class Forked:
    """A process of somebody else's, with the part of ``subprocess.Popen`` that the stage uses."""

    def __init__(self, pid: int, code: Path) -> None:
        self.pid = pid
        self._code = code

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        return int(self._code.read_text()) if self._code.exists() else None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once there is one."""
        deadline = time.monotonic() + (timeout or 60)
        while (code := self.poll()) is None:
            assert time.monotonic() < deadline, f"process {self.pid} does not end"
            time.sleep(0.02)
        return code

    def send_signal(self, sig: int) -> None:
        """Send it, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """End it as a failing node does."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """End it as Kubernetes does."""
        self.send_signal(signal.SIGTERM)


def _serve(program: str, *modules: str) -> None:
    module, _, function = program.partition(":")
    run: Run = getattr(importlib.import_module(module), function)
    for each in modules:
        importlib.import_module(each)
    gc.freeze()  # or each looks through all that was imported, and copies its pages by that
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    for line in sys.stdin:
        if os.fork() == 0:
            _keep(run, json.loads(line))


def _keep(run: Run, order: dict[str, Any]) -> None:
    """Stay beside the process, and leave its exit code where ``Forked`` finds it."""
    _end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        _end_with_parent()
        _become(run, order)
    sys.stdout.write(f"{child}\n")
    sys.stdout.flush()
    _, status = os.waitpid(child, 0)
    partial, code = (Path(order["log"]).with_suffix(end) for end in (".partial", ".exit"))
    partial.write_text(str(os.waitstatus_to_exitcode(status)))
    partial.rename(code)
    os._exit(0)


def _become(run: Run, order: dict[str, Any]) -> None:
    with Path(order["log"]).open("wb") as log, Path(order["log"]).with_suffix(".said").open() as said:
        os.dup2(said.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.clear()
    os.environ.update(order["environment"])
    if kube_config := sys.modules.get("kubernetes.aio.config.kube_config"):
        # Read from the environment when it was imported.
        vars(kube_config)["KUBE_CONFIG_DEFAULT_LOCATION"] = order["environment"]["KUBECONFIG"]
    sys.exit(run(order["arguments"]))


def _end_with_parent() -> None:
    """Linux's prctl(PR_SET_PDEATHSIG): https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
