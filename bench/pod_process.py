"""A pod's process as the host of the local cluster sees it: when it began, when it listens, what it weighs.

The API tells of a container's start late and of its first `listen` not at all; /proc tells both at once. Only a
cluster on this very machine can be looked at like this.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.process import cpu_seconds_of

LISTENING = "0A"
LOOK_EVERY = 0.02


def present() -> frozenset[int]:
    """The processes there are: those of a round come after."""
    return frozenset(_pids())


async def observe(
    old: frozenset[int], variable: str, port: int, mark: Callable[[str], None], note: Callable[[str, float], None]
) -> None:
    """Mark the start of the process that has `variable` (NAME=value) in its environment, and its first `listen`."""
    pid, listening = 0, False
    while not listening:
        await asyncio.sleep(LOOK_EVERY)
        if not pid:
            pid = next((one for one in _pids() if one not in old and has_variable(one, variable)), 0)
            if pid:
                mark("process started")
        elif listens(pid, port):
            mark("listening")
            note("cpu_s_at_listening", cpu_seconds_of(pid))
            note("throttled_s_at_listening", throttled_seconds(pid))
            listening = True


def throttled_seconds(pid: int) -> float:
    """How long the process's container was held back by its CPU limit; 0 where the kernel does not tell."""
    for line in _read(pid, "cgroup").decode().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(",") or not controllers:
            found = re.search(r"^throttled_(?:time|usec) (\d+)", _stat(path), re.MULTILINE)
            if found:
                return int(found[1]) / (1e9 if controllers else 1e6)
    return 0.0


def _stat(path: str) -> str:
    """The CPU accounting of a control group, in either version's place."""
    for root in ("cpu", ""):
        file = Path("/sys/fs/cgroup") / root / path.lstrip("/") / "cpu.stat"
        if file.exists():
            return file.read_text()
    return ""


def has_variable(pid: int, variable: str) -> bool:
    """Whether a process was started with exactly this in its environment."""
    return variable.encode() in _read(pid, "environ").split(b"\0")


def listens(pid: int, port: int) -> bool:
    """Whether anything in the process's network listens on a TCP port."""
    lines = (_read(pid, "net/tcp") + _read(pid, "net/tcp6")).decode().splitlines()
    rows = (line.split() for line in lines)
    return any(len(row) > 3 and row[1].endswith(f":{port:04X}") and row[3] == LISTENING for row in rows)


def of_pod(uid: str, word: str) -> list[int]:
    """The processes of a pod whose command line has `word`."""
    return [
        pid
        for pid in _pids()
        if uid.encode() in _read(pid, "cgroup").replace(b"_", b"-") and word.encode() in _read(pid, "cmdline")
    ]


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _read(pid: int, name: str) -> bytes:
    """Empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
