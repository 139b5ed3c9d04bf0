"""One program under measurement: started, asked for readiness, weighed, ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local.paths import CHECKOUT
from local.steps import StepFailedError, tail

HOST = "127.0.0.1"
START_SECONDS = 60.0
LOOK_EVERY = 0.005
"""Seconds between looks whether a program is ready: the resolution of its start."""
ADVICE = "The log's last lines say why; nothing was written to the results."


@dataclass
class Program:
    """A Python module as a process of its own that serves HTTP on loopback."""

    name: str
    arguments: Sequence[str]
    environ: Mapping[str, str]
    port: int
    ready_path: str
    log: Path
    cwd: Path = CHECKOUT
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> float:
        """Seconds from the start of the process to its first 200 on `ready_path`."""
        with self.log.open("ab") as log:
            began = time.perf_counter()
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.arguments],
                env={"PATH": os.environ["PATH"], **self.environ},
                stdout=log,
                stderr=log,
                cwd=self.cwd,
            )
        while not is_ready(self.port, self.ready_path):
            if self.process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                self.stop()
                raise StepFailedError(f"{self.name} did not become ready:\n{tail(self.log)}", ADVICE)
            time.sleep(LOOK_EVERY)
        return time.perf_counter() - began

    def memory(self) -> dict[str, float]:
        """Resident and proportional set in MiB."""
        if self.process is None:
            raise ValueError(f"{self.name} is not running")
        return memory_of(self.process.pid)

    def cpu_seconds(self) -> float:
        """What it has used so far: other than time, hardly disturbed by what else the machine does."""
        if self.process is None:
            raise ValueError(f"{self.name} is not running")
        return cpu_seconds_of(self.process.pid)

    def stop(self) -> None:
        """SIGTERM; SIGKILL for one that does not listen."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process = None


def is_ready(port: int, path: str) -> bool:
    """One question on a connection of its own, without a client library's start-up."""
    try:
        with socket.create_connection((HOST, port), timeout=10) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def memory_of(pid: int) -> dict[str, float]:
    """Resident and proportional set of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {"rss": kibibytes(status, "VmRSS") / 1024, "pss": kibibytes(rollup, "Pss") / 1024}


def cpu_seconds_of(pid: int) -> float:
    """User and system time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kibibytes(text: str, name: str) -> int:
    """The figure of a line `Name:   123 kB`."""
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"there is no {name}")
