"""Whatever a schema lets somebody write: it is refused with its place, or all that is made of it can be used.

``make generated`` tries as many as it is told; docs/generated.md says how, and what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

import pytest

from agentos_operator.settings import Settings
from tests.generated.asking import Asking
from tests.generated.documents import resource, spec_of
from tests.generated.oracles import Oracles, told
from tests.generated.report import Report
from tests.generated.shrinking import shrunk

KINDS = pytest.mark.parametrize("kind", ["Workspace", "AgentDeployment"])
MOST_TOLD = 5
Judge = Callable[[dict[str, Any]], Iterable[str]]


@pytest.fixture
def oracles(asking: Asking, settings: Settings, report: Report, request: pytest.FixtureRequest) -> Oracles:
    return Oracles(asking, settings, report.counts[request.node.name.removeprefix("test_")])


def judge_of(oracles: Oracles, kind: str) -> Judge:
    return oracles.workspace if kind == "Workspace" else oracles.deployment


@KINDS
def test_generated_specs(kind: str, oracles: Oracles, seeds: Sequence[int]) -> None:
    """Each is taken or refused in order; what is taken can be built, the API server takes what is built, and runtimes
    understand what they are handed or refuse it in the operator's words."""
    judge = judge_of(oracles, kind)
    failures: list[str] = []
    for seed in seeds:
        spec = spec_of(kind, Random(seed))
        if wrong := list(judge(spec)):
            least = shrunk(spec, lambda less: bool(list(judge(less))))
            failures += told((f"#{seed}: {each}" for each in wrong), least)
        if len(failures) >= MOST_TOLD:
            break
    assert not failures, "\n".join(failures)


@KINDS
def test_generated_faults(kind: str, oracles: Oracles, seeds: Sequence[int]) -> None:
    """A spec with one fault is refused with a message that names its place, by the API server and on the command
    line."""
    failures = [f"#{seed}: {each}" for seed in seeds for each in oracles.fault(kind, seed)]
    assert not failures, "\n".join(failures[:MOST_TOLD])


def test_the_generator_makes_the_same_of_the_same_seed_and_something_else_of_another() -> None:
    made = [
        resource(kind, spec_of(kind, Random(seed))) for kind in ("Workspace", "AgentDeployment") for seed in (1, 1, 2)
    ]
    assert made[0] == made[1] != made[2]
    assert made[3] == made[4] != made[5]
