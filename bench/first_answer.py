"""The part `first-answer`: from the apply of a whole workspace to the first answer through the gateway.

Beside it, in the same cluster and alternating with it, a bare pod of plain agno from its apply to Ready. Every round
has names of its own and is removed before the next one begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench import apply_rounds, circumstances, cluster, timeline
from bench.apply_rounds import Rounds
from bench.catalog import by_name
from bench.cluster import Place
from bench.kubernetes import Kubernetes
from bench.results import Entry, entry
from bench.timeline import Timeline
from local.steps import StepFailedError, say

Marks = Mapping[str, float]


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 7
    cluster: str = ""


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """The part's entry, and every round's milestones."""
    with cluster.ready(plan.cluster) as place:
        try:
            return asyncio.run(_measure(plan, place))
        except* StepFailedError as group:
            raise _first(group) from group


async def _measure(plan: Plan, place: Place) -> tuple[list[Entry], dict[str, Any]]:
    kubernetes = Kubernetes(place.kubeconfig)
    try:
        rounds = await apply_rounds.prepare(kubernetes, place)
        await rounds.ours()
        await rounds.plain()  # what is read from disk for the first time is not what is measured
        pairs = [await _pair(rounds, index, plan.rounds) for index in range(plan.rounds)]
        version = await kubernetes.get("/version") or {}
    finally:
        await kubernetes.close()
    ours, plain = ([pair[name].marks for pair in pairs] for name in ("ours", "plain"))
    breakdown = {"ours": timeline.medians(ours), "plain": timeline.medians(plain)}
    say(timeline.table(breakdown["ours"], breakdown["plain"]))
    details = {"medians": breakdown, "rounds": [_as_json(pair) for pair in pairs]}
    return [_entry(ours, plain, str(version.get("gitVersion", "")))], details


def _as_json(pair: Mapping[str, Timeline]) -> dict[str, Any]:
    return {name: {"seconds": one.marks, "process": one.notes} for name, one in pair.items()}


def _entry(ours: Sequence[Marks], plain: Sequence[Marks], version: str) -> Entry:
    figures = median(one["answered"] for one in ours), median(one["pod ready"] for one in plain)
    at = circumstances.now({**circumstances.packages("agno"), "kubernetes": version})
    return entry(by_name("apply-to-first-answer"), *figures, at)


async def _pair(rounds: Rounds, index: int, count: int) -> dict[str, Timeline]:
    """Both; every second pair begins with the other one."""
    order = ("ours", "plain") if index % 2 == 0 else ("plain", "ours")
    found = {name: await (rounds.ours() if name == "ours" else rounds.plain()) for name in order}
    ours, plain = found["ours"].marks["answered"], found["plain"].marks["pod ready"]
    say(f"  round {index + 1} of {count}: ours {ours:.2f} s, plain {plain:.2f} s")
    return found


def _first(group: BaseExceptionGroup[StepFailedError]) -> StepFailedError:
    """The failure that began it: task groups wrap them."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, StepFailedError)
    return error
