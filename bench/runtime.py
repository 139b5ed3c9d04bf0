"""The part `runtime`: our runtime beside plain agno, on loopback, with one PostgreSQL and one scripted model.

Each round starts both programs afresh and alternates between them for everything that it measures, so that a
neighbour's noise falls on both; the figures are medians over the rounds.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench import circumstances, programs, schemas
from bench.catalog import by_name
from bench.load import load
from bench.process import Program
from bench.results import Entry, entry
from bench.schemas import Schema
from local import postgres
from local.postgres import PostgresProcess
from local.steps import say

LEVELS = (1, 8, 32)
"""Runs in flight."""
SETTLE_SECONDS = 3.0
"""After readiness, before memory is read: what a program puts off until then is part of what it weighs."""
WARM_UP = 20
"""Runs that are not counted: the first ones make statements, connections and sessions."""
_BOTH: Mapping[str, Callable[[Path, Schema, str], Program]] = {
    "ours": programs.ours,
    "plain": programs.plain,
}


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 7
    runs: int = 300
    """At each level, for each program; a third of it with one in flight."""


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """All of the part's entries, and what they were made of."""
    with tempfile.TemporaryDirectory(prefix="agentos-bench-") as folder, postgres.running() as server:
        model = programs.model(Path(folder))
        model.start()
        try:
            bench = _Bench(plan, Path(folder), server, f"http://127.0.0.1:{model.port}/v1")
            rounds = [bench.round(index) for index in range(plan.rounds)]
        finally:
            model.stop()
    return entries(rounds), {"levels": list(LEVELS), "rounds": rounds, "postgresql_fsync": "off"}


@dataclass(frozen=True)
class _Bench:
    plan: Plan
    folder: Path
    server: PostgresProcess
    model_url: str

    def round(self, index: int) -> dict[str, Any]:
        """Both programs from their start to their end; every second round begins with the other one."""
        names = list(_BOTH) if index % 2 == 0 else list(_BOTH)[::-1]
        found: dict[str, Any] = {name: {"load": []} for name in names}
        running: dict[str, Program] = {}
        try:
            for name in names:
                running[name] = self._start(name, found[name])
            self._weigh(running, found)
        finally:
            for program in running.values():
                program.stop()
        say(f"  round {index + 1} of {self.plan.rounds}: {_line(found)}")
        return found

    def _start(self, name: str, found: dict[str, Any]) -> Program:
        """Start on an empty schema, and again on the one that is there now."""
        schema = schemas.create(self.server)
        first = _BOTH[name](self.folder, schema, self.model_url)
        try:
            found["start_empty_s"] = round(first.start(), 4)
            found["start_empty_cpu_s"] = first.cpu_seconds()
        finally:
            first.stop()
        second = _BOTH[name](self.folder, schema, self.model_url)
        found["start_s"] = round(second.start(), 4)
        found["start_cpu_s"] = second.cpu_seconds()
        return second

    def _weigh(self, running: Mapping[str, Program], found: dict[str, Any]) -> None:
        time.sleep(SETTLE_SECONDS)
        for name, program in running.items():
            found[name]["memory_idle_mib"] = _rounded(program.memory())
        for program in running.values():
            asyncio.run(load(programs.target(program), in_flight=4, count=WARM_UP))
        for level in LEVELS:
            for name, program in running.items():
                count = self.plan.runs // 3 if level == 1 else self.plan.runs
                found[name]["load"].append(_load(program, level, count))
        for name, program in running.items():
            found[name]["memory_loaded_mib"] = _rounded(program.memory())


def _load(program: Program, level: int, count: int) -> dict[str, float]:
    """One load, and what it cost the program."""
    before = program.cpu_seconds()
    sample = asyncio.run(load(programs.target(program), in_flight=level, count=count))
    cpu = (program.cpu_seconds() - before) / count
    return {**sample.as_json(), "cpu_ms_per_run": round(cpu * 1000, 2)}


def entries(rounds: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """The part's figures: medians over the rounds."""
    figures = {
        "runtime-throughput": _throughput(rounds),
        "runtime-p50": _pair(rounds, lambda one: _at(one, 1)["p50_ms"]),
        "runtime-memory": _pair(rounds, lambda one: one["memory_loaded_mib"]["rss"]),
        "runtime-start": _pair(rounds, lambda one: one["start_s"]),
        "runtime-start-empty": _pair(rounds, lambda one: one["start_empty_s"]),
    }
    at = circumstances.now({**circumstances.python("agno", "uvicorn"), "postgresql": "17"})
    return [entry(by_name(name), *pair, at) for name, pair in figures.items()]


def _throughput(rounds: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """At the level, of those with several in flight, that is worst for us."""
    pairs = [_pair(rounds, partial(_per_second, level)) for level in LEVELS if level > 1]
    return min(pairs, key=lambda pair: pair[0] / pair[1])


def _pair(rounds: Sequence[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], float]) -> tuple[float, float]:
    ours, plain = (median([read(one[name]) for one in rounds]) for name in ("ours", "plain"))
    return ours, plain


def _per_second(level: int, found: Mapping[str, Any]) -> float:
    return _at(found, level)["per_second"]


def _at(found: Mapping[str, Any], level: int) -> Mapping[str, float]:
    return next(sample for sample in found["load"] if sample["in_flight"] == level)


def _rounded(memory: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in memory.items()}


def _line(found: Mapping[str, Any]) -> str:
    """A round for whoever watches."""
    return "; ".join(
        f"{name} start {one['start_s']:.2f} s, {_at(one, 32)['per_second']:.0f}/s, p50 {_at(one, 1)['p50_ms']:.1f} ms"
        for name, one in sorted(found.items())
    )
