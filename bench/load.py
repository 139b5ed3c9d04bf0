"""A bounded number of runs against one program, so many at a time, each a new session.

A closed loop of our own rather than wrk, k6 or vegeta: a run must be checked to have been COMPLETED, because agno
answers 200 to a run that failed, and a client in one file adds nothing to install or to build.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from bench.arithmetic import percentile
from bench.connection import Connection


class WrongAnswer(Exception):
    """A run that did not do its work: no figure may be made of it."""


@dataclass(frozen=True)
class Target:
    """What is asked, and where."""

    port: int
    request: bytes


@dataclass(frozen=True)
class Sample:
    """What one load saw."""

    in_flight: int
    seconds: float
    latencies: tuple[float, ...]
    """Seconds of each run."""

    @property
    def per_second(self) -> float:
        """Runs per second."""
        return len(self.latencies) / self.seconds

    def milliseconds(self, share: float) -> float:
        """A percentile of the latencies."""
        return percentile(self.latencies, share) * 1000

    def as_json(self) -> dict[str, float]:
        """For the details."""
        return {
            "in_flight": self.in_flight,
            "runs": len(self.latencies),
            "per_second": round(self.per_second, 2),
            "p50_ms": round(median(self.latencies) * 1000, 2),
            "p99_ms": round(self.milliseconds(0.99), 2),
        }


async def load(target: Target, *, in_flight: int, count: int) -> Sample:
    """`count` runs, `in_flight` at a time."""
    latencies: list[float] = []
    left = iter(range(count))
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(_work(target, left, latencies))
    return Sample(in_flight, time.perf_counter() - began, tuple(latencies))


async def _work(target: Target, left: Iterator[int], latencies: list[float]) -> None:
    connection = Connection(target.port)
    try:
        for _ in left:
            began = time.perf_counter()
            status, body = await connection.ask(target.request)
            if status != 200 or b'"COMPLETED"' not in body:
                raise WrongAnswer(f"a run was answered {status}: {body[:300]!r}")
            latencies.append(time.perf_counter() - began)
    finally:
        connection.close()
