"""The part `operator-memory`: what the operator's process weighs with five workspaces, after a rest."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from bench import circumstances, cluster, pod_process, workspace
from bench.apply_rounds import GONE_SECONDS
from bench.catalog import by_name
from bench.cluster import Place
from bench.kubernetes import ADVICE, Kubernetes
from bench.process import memory_of
from bench.results import Entry, entry
from bench.timeline import Timeline, open_watches
from local import demo
from local.steps import StepFailedError, say

WORKSPACES = 5
READY_SECONDS = 300.0
SAMPLES = 5
_OPERATOR = {"labelSelector": "app.kubernetes.io/name=agentos-operator"}
MIB = 2**20


@dataclass(frozen=True)
class Plan:
    """Where, and how long a rest."""

    cluster: str = ""
    rest_seconds: float = 60.0


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """The part's entry, and all samples."""
    with cluster.ready(plan.cluster) as place:
        return asyncio.run(_measure(plan, place))


async def _measure(plan: Plan, place: Place) -> tuple[list[Entry], dict[str, Any]]:
    kubernetes = Kubernetes(place.kubeconfig)
    names = [workspace.fresh_name() for _ in range(WORKSPACES)]
    try:
        for name in names:
            await _make(kubernetes, name)
        say(f"  {WORKSPACES} workspaces are ready; resting {plan.rest_seconds:.0f} s")
        await asyncio.sleep(plan.rest_seconds)
        samples = await _weigh(kubernetes)
        version = await kubernetes.get("/version") or {}
    finally:
        for name in names:
            await _remove(kubernetes, name)
        await kubernetes.close()
    worst = max(sample["rss"] for sample in samples) * MIB / 1e6
    at = circumstances.now({"kubernetes": str(version.get("gitVersion", ""))})
    details = {"workspaces": WORKSPACES, "rest_seconds": plan.rest_seconds, "samples_mib": samples}
    return [entry(by_name("operator-idle-memory"), worst, None, at)], details


async def _make(kubernetes: Kubernetes, name: str) -> None:
    """One workspace with one deployment; the next begins when the agent is ready."""
    seen = Timeline()
    async with asyncio.TaskGroup() as group:
        tasks = await open_watches(group, kubernetes, workspace.watched(name)[:2], seen.see)
        for path, document in workspace.documents(name):
            await kubernetes.apply(path, document)
        await seen.reached("agent ready", READY_SECONDS)
        for task in tasks:
            task.cancel()


async def _weigh(kubernetes: Kubernetes) -> list[dict[str, float]]:
    """The operator's process, a second apart."""
    pods = await kubernetes.list(f"/api/v1/namespaces/{demo.NAMESPACE}/pods", _OPERATOR)
    pids = [pid for pod in pods for pid in pod_process.of_pod(pod["metadata"]["uid"], "agentos_operator")]
    if len(pids) != 1:
        raise StepFailedError(f"{len(pods)} pods and {len(pids)} processes of the operator, not one", ADVICE)
    samples = []
    for _ in range(SAMPLES):
        samples.append({key: round(value, 1) for key, value in memory_of(pids[0]).items()})
        await asyncio.sleep(1)
    return samples


async def _remove(kubernetes: Kubernetes, name: str) -> None:
    path = workspace.workspace_path(name)
    await kubernetes.delete(path)
    await kubernetes.gone(path, GONE_SECONDS)
    await kubernetes.delete(workspace.namespace_path(workspace.namespace_of(name)))
