"""A cluster's machine seen from the host: `local.cluster` starts it, runs components in it and ends it.

A machine is a process tree in its own mount, pid, network, uts, ipc and cgroup namespaces; what lives in it cannot
outlive its process 1. Outside remain a veth pair, cgroups and an nftables table, which `stop` removes, also for a
machine that was killed.
"""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import cgroups, network, paths, processes
from local.processes import Process
from local.steps import StepFailedError, run, tail, wait_until

ADVICE = "Run `python -m local down` and try again; if it stays, this kernel may forbid namespaces or mounts."

_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")


@dataclass(frozen=True)
class Machine:
    """The machine of the cluster `name`, running or not."""

    name: str

    @property
    def state(self) -> Path:
        """Its state folder on the host; /machine inside."""
        return paths.state(self.name)

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig, which works inside and outside."""
        return self.state / "kubeconfigs/admin.yaml"

    @property
    def link(self) -> network.Link:
        """Its connection to the host."""
        return network.link(self.name)

    def init(self) -> Process | None:
        """Process 1 as the host sees it, or None when the machine is down."""
        return processes.recall(self.state / "init.json")

    def start(self) -> None:
        """Start an empty machine. What a killed predecessor left must have been removed (`stop`)."""
        for folder in ("logs", "cache"):
            paths.private_folder(self.state / folder)
        network.load_modules()
        folders = cgroups.create(self.name)
        init = self._spawn([folder / "cgroup.procs" for folder in folders])
        processes.remember(self.state / "init.json", init)
        network.connect(self.link, init.pid)
        self._configure_network()
        wait_until(
            lambda: "error" not in self._ask_quietly({"do": "status"}),
            what="process 1 of the machine",
            timeout=20,
            advice=ADVICE,
            log=self.state / "logs/init.log",
            every=0.02,
        )

    def _spawn(self, joins: Sequence[Path]) -> Process:
        """Run process 1 in new namespaces and cgroups, detached from the terminal."""
        log = self.state / "logs/init.log"
        join = "".join(f"echo $$ > '{file}'; " for file in joins)
        unshare = 'exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child "$@"'
        command = [sys.executable, "-m", "local.machine_init", self.state, paths.cache(), self.name]
        with log.open("wb") as output:
            outer = subprocess.Popen(
                ["sh", "-ec", join + unshare, "sh", *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=paths.CHECKOUT,
                start_new_session=True,
            )
        # Recorded before anything can go wrong: ending it ends process 1 (--kill-child).
        if launcher := processes.describe(outer.pid):
            processes.remember(self.state / "launcher.json", launcher)
        found: list[int] = []

        def reported() -> bool:
            found[:] = [int(pid) for pid in re.findall(r"^init (\d+)$", log.read_text(), re.MULTILINE)]
            return bool(found) or outer.poll() is not None

        wait_until(reported, what="process 1 of the machine", timeout=20, advice=ADVICE, log=log, every=0.02)
        init = processes.describe(found[0]) if found else None
        if init is None:
            raise StepFailedError(f"process 1 of the machine ended:\n{tail(log)}", ADVICE)
        cgroups.settle(self.name, [outer.pid, init.pid])
        outer.returncode = 0  # detached: it outlives this command, which shall not be warned of that
        if outer.stdin:
            outer.stdin.close()  # process 1 waits for this before it has children of its own
        return init

    def _configure_network(self) -> None:
        """Name the machine's end eth0 and route everything through the host."""
        link = self.link
        inside = ["nsenter", "--target", str(self._pid()), "--net", "ip"]
        for words in (
            ["link", "set", link.peer, "name", "eth0"],
            ["addr", "add", f"{link.node}/24", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
            ["route", "add", "default", "via", link.host],
        ):
            run([*inside, *words], advice=network.ADVICE)

    def stop(self) -> None:
        """End the machine and remove what it needed of the host; harmless when there is nothing."""
        for record in ("init.json", "launcher.json"):
            if process := processes.recall(self.state / record):
                processes.end(process)
        cgroups.remove(self.name)
        network.disconnect(self.link)
        (self.state / "init.json").unlink(missing_ok=True)

    def launch(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        """Keep a component running in the machine; `listener` becomes its descriptor 3."""
        request = {"do": "start", "name": name, "argv": list(argv), "env": dict(env or {})}
        answer = self._ask_quietly(request, listener)
        if "error" in answer:
            raise StepFailedError(f"{name} could not be started: {answer['error']}", ADVICE)

    def quit(self, name: str) -> None:
        """End a component and do not start it again."""
        self._ask_quietly({"do": "stop", "name": name})

    def components(self) -> dict[str, dict[str, int]]:
        """pid (0 while it is down) and number of exits of every component."""
        answer = self._ask_quietly({"do": "status"})
        return {} if "error" in answer else answer

    def wait_for(self, component: str, ready: Any, *, timeout: float = 90) -> None:
        """Wait for a component; one that keeps ending is reported at once, with its last lines."""
        log = self.state / "logs" / f"{component}.log"
        advice = f"The whole log is {log}."

        def looked_at() -> bool:
            if ready():
                return True
            if self.components().get(component, {}).get("exits", 0) >= 5:
                raise StepFailedError(f"{component} keeps ending:\n{tail(log)}", advice)
            return False

        wait_until(looked_at, what=component, timeout=timeout, advice=advice, log=log)

    def run(self, argv: Sequence[str | Path], *, advice: str = ADVICE, stdin: str | None = None) -> str:
        """Run a command in the machine's namespaces to its end."""
        return run([*self._enter(), *argv], advice=advice, stdin=stdin)

    def feed(self, file: Path, argv: Sequence[str | Path]) -> None:
        """Run a command in the machine with `file`, which it may be unable to see, as its input."""
        with file.open("rb") as data:
            done = subprocess.run([*self._enter(), *argv], stdin=data, capture_output=True, check=False)
        if done.returncode:
            raise StepFailedError(f"{file} was refused: {done.stderr.decode()[-500:]}", "Delete it and build it again.")

    def succeeds(self, argv: Sequence[str | Path]) -> bool:
        """Whether a command in the machine ends well; for polling."""
        done = subprocess.run([*self._enter(), *argv], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode == 0

    def _enter(self) -> list[str]:
        return ["nsenter", "--target", str(self._pid()), *_NAMESPACES, "--", "env", "--chdir=/"]

    def _pid(self) -> int:
        init = self.init()
        if init is None:
            raise StepFailedError(f"the cluster {self.name} is not running", "Start it with `python -m local up`.")
        return init.pid

    def _ask_quietly(self, request: dict[str, Any], listener: socket.socket | None = None) -> dict[str, Any]:
        """Ask process 1. The socket is reached through a descriptor: its full path may be too long for a socket."""
        try:
            folder = os.open(self.state, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            return {"error": str(error)}
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.settimeout(10)
                connection.connect(f"/proc/self/fd/{folder}/init.sock")
                descriptors = [listener.fileno()] if listener else []
                socket.send_fds(connection, [json.dumps(request).encode()], descriptors)
                answer: dict[str, Any] = json.loads(connection.recv(262144))
                return answer
        except (OSError, ValueError) as error:
            return {"error": str(error)}
        finally:
            os.close(folder)
