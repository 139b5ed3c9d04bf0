"""The part `isolation`: what one run of the isolation probe costs, in a workspace with a runtime, beside another one.

The operator measures both figures itself and writes them into `status.isolation`: from the creation of the probe's
pod to its result, and the processor time of the probe's process. Runs follow one another; each is asked for by the
annotation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench import circumstances, cluster, workspace
from bench.apply_rounds import GONE_SECONDS
from bench.catalog import by_name
from bench.cluster import Place
from bench.kubernetes import ADVICE, Kubernetes
from bench.results import Entry, entry
from bench.timeline import Timeline, open_watches
from local.steps import StepFailedError, say

READY_SECONDS = 300.0
RUN_SECONDS = 180.0
ANNOTATION = "agentos.hyvve.io/verify-isolation"
Isolation = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How many runs, and where."""

    rounds: int = 7
    cluster: str = ""


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """The part's entries, and every run."""
    with cluster.ready(plan.cluster) as place:
        return asyncio.run(_measure(plan, place))


async def _measure(plan: Plan, place: Place) -> tuple[list[Entry], dict[str, Any]]:
    kubernetes = Kubernetes(place.kubeconfig)
    names = [workspace.fresh_name() for _ in range(2)]
    try:
        for name in names:
            await _make(kubernetes, name)
        await _run(kubernetes, names[0], "warm")  # what is read from disk for the first time is not what is measured
        runs = [await _run(kubernetes, names[0], f"run-{index}") for index in range(plan.rounds)]
        version = await kubernetes.get("/version") or {}
    finally:
        for name in names:
            await _remove(kubernetes, name)
        await kubernetes.close()
    at = circumstances.now({"kubernetes": str(version.get("gitVersion", ""))})
    return _entries(runs, at), {"runs": runs}


def _entries(runs: Sequence[Isolation], at: Any) -> list[Entry]:
    figures = {"isolation-probe-seconds": "probeMilliseconds", "isolation-probe-cpu": "probeCPUMilliseconds"}
    return [
        entry(by_name(name), median(run[field] for run in runs) / 1000, None, at) for name, field in figures.items()
    ]


async def _run(kubernetes: Kubernetes, name: str, mark: str) -> Isolation:
    """Ask for a run; its cost."""
    path = workspace.workspace_path(name)
    before = _isolation(await kubernetes.get(path))
    await kubernetes.annotate(path, {ANNOTATION: mark})
    deadline = asyncio.get_running_loop().time() + RUN_SECONDS
    while (found := _isolation(await kubernetes.get(path))).get("fingerprint") == before.get("fingerprint"):
        if asyncio.get_running_loop().time() > deadline:
            raise StepFailedError(f"no run of {name} in {RUN_SECONDS:.0f} s", ADVICE)
        await asyncio.sleep(0.5)
    if not found["attempts"]:
        raise StepFailedError(f"the run of {name} made no attempt; see its condition IsolationVerified", ADVICE)
    say(f"  {mark}: {found['probeMilliseconds']} ms, {found['probeCPUMilliseconds']} ms CPU, {found['attempts']} tries")
    return found


def _isolation(body: dict[str, Any] | None) -> Isolation:
    return dict((body or {}).get("status", {}).get("isolation", {}))


async def _make(kubernetes: Kubernetes, name: str) -> None:
    """A workspace with one runtime that answers."""
    seen = Timeline()
    async with asyncio.TaskGroup() as group:
        tasks = await open_watches(group, kubernetes, workspace.watched(name)[:2], seen.see)
        for path, document in workspace.documents(name):
            await kubernetes.apply(path, document)
        await seen.reached("agent ready", READY_SECONDS)
        for task in tasks:
            task.cancel()


async def _remove(kubernetes: Kubernetes, name: str) -> None:
    path = workspace.workspace_path(name)
    await kubernetes.delete(path)
    await kubernetes.gone(path, GONE_SECONDS)
    await kubernetes.delete(workspace.namespace_path(workspace.namespace_of(name)))
