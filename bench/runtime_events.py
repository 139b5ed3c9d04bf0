"""The part `events`: our runtime with a Redis for its events beside itself without, on one PostgreSQL and one model.

Both are warm and take turns, so that a neighbour's noise falls on both. What is measured with one run in flight is the
way of a run: triggers and the rows that they write. What the publisher does beside it shows in the processor time.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import circumstances, programs, schemas
from bench.catalog import by_name
from bench.load import load
from bench.process import HOST, Program
from bench.results import Entry, entry
from local import debian, postgres
from local.postgres import free_port
from local.steps import say

WARM_UP = 20
"""Runs that are not counted."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 7
    runs: int = 300
    """Of each load; a third of it, as `runtime` does with one in flight."""


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """The part's one entry, and what it was made of."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agentos-bench-")))
        server = stack.enter_context(postgres.running())
        url = stack.enter_context(_redis(folder))
        model = stack.enter_context(_running(programs.model(folder)))
        running = {}
        for name, redis_url in (("with", url), ("without", "")):
            (own := folder / name).mkdir()
            program = programs.ours(own, schemas.create(server), f"http://{HOST}:{model.port}/v1", redis_url)
            running[name] = stack.enter_context(_running(program))
            asyncio.run(load(programs.target(program), in_flight=1, count=WARM_UP))
        rounds = [_round(running, index, max(1, plan.runs // 3)) for index in range(plan.rounds)]
    return [_entry(rounds)], {"rounds": rounds, "postgresql_fsync": "off"}


def _round(running: dict[str, Program], index: int, count: int) -> dict[str, dict[str, float]]:
    """Both once; every second round begins with the other one."""
    found = {}
    for name in list(running) if index % 2 == 0 else list(running)[::-1]:
        before = running[name].cpu_seconds()
        sample = asyncio.run(load(programs.target(running[name]), in_flight=1, count=count))
        cpu = (running[name].cpu_seconds() - before) / count
        found[name] = {**sample.as_json(), "cpu_ms_per_run": round(cpu * 1000, 2)}
    say(f"  round {index + 1}: " + ", ".join(f"{name} {one['p50_ms']:.1f} ms" for name, one in sorted(found.items())))
    return found


def _entry(rounds: Sequence[dict[str, dict[str, float]]]) -> Entry:
    ours, baseline = (median([one[name]["p50_ms"] for one in rounds]) for name in ("with", "without"))
    at = circumstances.now({**circumstances.python("agno", "redis"), "postgresql": "17"})
    return entry(by_name("runtime-events-cost"), ours, baseline, at)


@contextmanager
def _running(program: Program) -> Iterator[Program]:
    program.start()
    try:
        yield program
    finally:
        program.stop()


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """Debian's package on loopback, nothing on disk; its URL. The runtime waits until it answers."""
    debian.ensure(debian.REDIS)
    port = str(free_port())
    arguments = ["redis-server", "--port", port, "--bind", HOST, "--save", ""]
    with (folder / "redis.log").open("wb") as log, subprocess.Popen(arguments, stdout=log, cwd=folder) as process:
        try:
            yield f"redis://{HOST}:{port}/0"
        finally:
            process.terminate()
