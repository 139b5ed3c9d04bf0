"""The part `spec-compile`: from the text of an AgentDeployment to agno's objects, beside the same objects made by hand.

Both in this process, which has imported everything: what a start imports is in `runtime-start`. Ours reads the YAML,
checks the document as `agentosctl validate` and the operator do, compiles it, and puts the real models in the place of
those that a start defers.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from agno.db.base import AsyncBaseDb
from agno.db.sqlite import AsyncSqliteDb

from agentos_runtime.agents.compile import Components, compile_components
from agentos_runtime.agents.models import DeferredModel
from agentos_spec import find_problems, load_spec
from bench import circumstances, documents
from bench.by_hand import BY_HAND
from bench.catalog import by_name
from bench.results import Entry, entry
from local.steps import say


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 7
    """A round compiles a document once in both ways."""


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """All of the part's entries, and what they were made of."""
    at = circumstances.now(circumstances.python("agno", "pydantic", "pyyaml"))
    details, entries = {}, []
    with TemporaryDirectory(prefix="agentos-bench-") as folder:
        for name in BY_HAND:
            path = Path(folder) / f"{name}.yaml"
            path.write_text(documents.text(name))
            rounds = list(_rounds(path, plan.rounds))
            details[name] = rounds
            ours, by_hand = (median(sum(one[side].values()) for one in rounds) for side in ("ours", "by_hand"))
            entries.append(entry(by_name(f"compile-{name}"), ours, by_hand, at))
            say(f"  {name}: ours {ours:.1f} ms, by hand {by_hand:.1f} ms")
    return entries, details


def _rounds(path: Path, count: int) -> Iterator[dict[str, dict[str, float]]]:
    """Processor milliseconds by side and step. Every second round begins with the other side; one goes uncounted."""
    sides: list[tuple[str, Callable[[], dict[str, float]]]] = [
        ("ours", lambda: ours(path)),
        ("by_hand", lambda: _by_hand(path.stem)),
    ]
    for index in range(count + 1):
        found = {}
        for side, run in sides if index % 2 == 0 else sides[::-1]:
            gc.collect()
            found[side] = run()
        if index:
            yield found


def ours(path: Path) -> dict[str, float]:
    """Processor milliseconds of each step."""
    steps: dict[str, Callable[[Any], Any]] = {
        "check": lambda _: _checked(path),
        "parse": lambda _: load_spec(path),
        "compile": lambda spec: compile_components(spec, lambda *_: "not-a-real-key", _database()),
        "models": _load,
    }
    spent, made = {}, None
    for name, step in steps.items():
        began = time.process_time()
        made = step(made)
        spent[name] = round((time.process_time() - began) * 1000, 3)
    return spent


def _checked(path: Path) -> None:
    problems = find_problems(yaml.load(path.read_text(), Loader=yaml.CSafeLoader))
    if problems:
        raise ValueError(problems[0].message)


def _load(components: Components) -> None:
    for used in components.models:
        if isinstance(used.model, DeferredModel):
            used.model.load()


def _by_hand(name: str) -> dict[str, float]:
    began = time.process_time()
    BY_HAND[name](_database())
    return {"construct": round((time.process_time() - began) * 1000, 3)}


def _database() -> AsyncBaseDb:
    """Nothing is opened."""
    return AsyncSqliteDb()
