"""Processes that outlive the command that started them, recognised by pid and start time.

A pid alone may belong to a stranger by the time it is read back: `local.machine` and `local.postgres` signal only
what `is_alive` confirms.
"""

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from local import paths
from local.steps import StepFailedError, wait_until


@dataclass(frozen=True)
class Process:
    """A process as it was when we started it."""

    pid: int
    started: int
    """Clock ticks since boot, field 22 of /proc/<pid>/stat."""
    boot: str = ""
    """The kernel's boot id: after a reboot pids and ticks start again."""


def boot_id() -> str:
    """Differs after every boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def describe(pid: int) -> Process | None:
    """The process with this pid, or None when there is none (a zombie counts as none)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Process(pid, int(fields[19]), boot_id())


def remember(path: Path, process: Process) -> None:
    """Record a process for a later command."""
    paths.write_private(path, json.dumps(asdict(process)))


def recall(path: Path) -> Process | None:
    """The recorded process when it still runs, else None."""
    try:
        process = Process(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return process if is_alive(process) else None


def is_alive(process: Process) -> bool:
    """Whether exactly this process still runs."""
    return describe(process.pid) == process


def end(process: Process, *, patience: float = 0.0) -> None:
    """End the process: politely when `patience` is given, then for certain."""
    if patience and is_alive(process):
        os.kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while is_alive(process) and time.monotonic() < deadline:
            time.sleep(0.05)
    if is_alive(process):
        os.kill(process.pid, signal.SIGKILL)
    wait_until(
        lambda: not is_alive(process),
        what=f"the end of process {process.pid}",
        timeout=20,
        advice="It hangs in the kernel: see `dmesg`; a reboot ends it.",
    )


def require_root() -> None:
    """Namespaces, mounts and bridges need root; say so before anything is half-made."""
    if os.geteuid() != 0:
        raise StepFailedError("the local cluster needs root", "Run it again as root, for instance with sudo.")
