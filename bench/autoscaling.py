"""The part `autoscaling`: two deployments whose pods Kubernetes numbers, one by CPU, one by active runs, under a load
that comes and goes.

Beside it a light one is held from the beginning to the end, so that what pods do to callers when they come and go shows
as failed requests. That of `runs` is of answers that take seconds: pods go while they give one. Both deployments are
measured at the same time, because most of it is waiting: Kubernetes looks at a lower load for five minutes before it
takes a pod away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench import circumstances, cluster, pod_metrics, workspace
from bench.agent import MESSAGE, agent_deployment
from bench.catalog import by_name
from bench.cluster import MODEL_URL, Place
from bench.held_load import HeldLoad, Tally
from bench.kubernetes import ADVICE, Kubernetes, Object
from bench.results import Entry, entry
from bench.rollouts import answers, as_json
from bench.signer import Signer
from local import images
from local.steps import StepFailedError, say

MOST = 3
"""Pods of each deployment, at its busiest."""
READY_SECONDS = 300.0
DOWN_SECONDS = 900.0
"""The five minutes of Kubernetes, twice, for a load that is measured a moment too high, and the drain."""
REST_SECONDS = 20.0
"""With all pods, and in the end with one."""


@dataclass(frozen=True)
class Load:
    """What is asked, by how many, and the seconds between two questions of each."""

    message: str
    in_flight: int
    pause: float = 0.0


@dataclass(frozen=True)
class Case:
    """One deployment."""

    name: str
    targets: Mapping[str, int]
    heavy: Load
    light: Load


CASES = (
    Case("cpu", {"targetCPUUtilizationPercentage": 100}, Load(MESSAGE, 4), Load(MESSAGE, 1, pause=1.0)),
    # Pods are looked at one after the other, so a caller who asks without a pause counts in two of them now and then.
    Case("runs", {"targetActiveRuns": 2}, Load("wait 4 for it", 8), Load("wait 8 for it", 1)),
)


@dataclass(frozen=True)
class Plan:
    """Where."""

    cluster: str = ""


@dataclass
class Seen:
    """What became of one deployment."""

    up: float = 0.0
    down: float = 0.0
    pods: list[tuple[float, int, int]] = field(default_factory=list)
    """Each change: seconds since the heavy load began, pods, and those of them that are Ready."""
    unready: set[str] = field(default_factory=set)
    """Reasons for which the AgentDeployment was not Ready at any time."""
    budget: Mapping[str, int] = field(default_factory=dict)
    """The PodDisruptionBudget's numbers with all pods."""
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """The entries, and when each pod came and went."""
    archive = images.ensure([pod_metrics.IMAGE])[pod_metrics.IMAGE]
    with cluster.ready(plan.cluster, [archive]) as place, pod_metrics.measured(place):
        return asyncio.run(_measure(place))


async def _measure(place: Place) -> tuple[list[Entry], dict[str, Any]]:
    kubernetes = Kubernetes(place.kubeconfig)
    name = workspace.fresh_name()
    try:
        for path, document in _documents(name):
            await kubernetes.apply(path, document)
        subjects = [Subject(kubernetes, place.port, name, case) for case in CASES]
        seen = await _together([subject.run() for subject in subjects])
        version = await kubernetes.get("/version") or {}
    finally:
        for path in (workspace.workspace_path(name), workspace.namespace_path(workspace.namespace_of(name))):
            await kubernetes.delete(path)
            await kubernetes.gone(path, READY_SECONDS)
        await kubernetes.close()
    at = circumstances.now({**circumstances.packages("agno"), "kubernetes": str(version.get("gitVersion", ""))})
    figures = {"autoscaling-failed-requests": float(sum(len(each.tally.failures) for each in seen))}
    for case, each in zip(CASES, seen, strict=True):
        figures |= {f"autoscaling-{case.name}-up": each.up, f"autoscaling-{case.name}-down": each.down}
    details = {case.name: _as_json(each) for case, each in zip(CASES, seen, strict=True)}
    return [entry(by_name(figure), value, None, at) for figure, value in figures.items()], details


async def _together(runs: Iterable[Coroutine[Any, Any, Seen]]) -> list[Seen]:
    """What all of them saw; one that fails ends the others."""
    tasks = [asyncio.create_task(run) for run in runs]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _documents(name: str) -> list[tuple[str, Object]]:
    """A workspace with both deployments in the place of the usual one."""
    documents = workspace.documents(name)[:-1]
    namespace = workspace.namespace_of(name)
    for case in CASES:
        document = agent_deployment(case.name, namespace, MODEL_URL)
        document["spec"]["autoscaling"] = {"minReplicas": 1, "maxReplicas": MOST, **case.targets}
        documents.append((f"{workspace.GROUP_PATH}/namespaces/{namespace}/agentdeployments/{case.name}", document))
    return documents


def _as_json(seen: Seen) -> dict[str, Any]:
    return {
        **as_json(seen.tally, seen.seconds),
        "seconds_pods_ready": [[round(at, 1), *counts] for at, *counts in seen.pods],
        "unready": sorted(seen.unready),
        "disruption_budget": seen.budget,
    }


class Subject:
    """One deployment, the loads on it, and what becomes of its pods."""

    def __init__(self, kubernetes: Kubernetes, port: int, workspace_name: str, case: Case) -> None:
        self._kubernetes = kubernetes
        self._port = port
        self._case = case
        self._namespace = workspace.namespace_of(workspace_name)
        self._signer = Signer(kubernetes, workspace_name)
        self._seen = Seen()
        self._began = 0.0

    async def run(self) -> Seen:
        """Up under the heavy load, and down after it."""
        await self._until(self._is_scaled, "answers, and its autoscaler measures", READY_SECONDS)
        began = time.monotonic()
        async with self._load(self._case.light) as light:
            async with self._load(self._case.heavy) as heavy:
                self._began = time.monotonic()
                await self._until(partial(self._has, MOST), f"{MOST} pods", READY_SECONDS)
                self._seen.up = self._elapsed()
                await asyncio.sleep(REST_SECONDS)
                self._seen.budget = await self._budget()
            ended = self._elapsed()
            await self._until(partial(self._has, 1), "one pod", DOWN_SECONDS)
            self._seen.down = self._elapsed() - ended
            await asyncio.sleep(REST_SECONDS)
        self._seen.seconds = time.monotonic() - began
        self._seen.tally = light.tally.plus(heavy.tally)
        say(self._told())
        return self._seen

    def _told(self) -> str:
        seen = self._seen
        return (
            f"  {self._case.name}: {MOST} pods after {seen.up:.0f} s, one {seen.down:.0f} s after the load's end;"
            f" {seen.tally.requests} requests, {len(seen.tally.failures)} failed"
        )

    def _load(self, load: Load) -> HeldLoad:
        request = partial(self._signer.question, self._case.name, load.message)
        return HeldLoad(self._port, request, in_flight=load.in_flight, pause=load.pause)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    async def _is_scaled(self) -> bool:
        """Whether it answers, and the operator says that its pods are measured."""
        body = await self._get_deployment()
        said = {each["type"]: each["status"] for each in body.get("status", {}).get("conditions", [])}
        if (said.get("Ready"), said.get("AutoscalingActive")) != ("True", "True"):
            return False
        return await answers(self._port, await self._signer.question(self._case.name, MESSAGE))

    async def _has(self, number: int) -> bool:
        """Whether there are so many pods, all of them Ready; notes each change, and why the AgentDeployment is not."""
        pods = await self._kubernetes.list(f"{workspace.namespace_path(self._namespace)}/pods", self._selector())
        counts = (len(pods), sum(map(_is_ready, pods)))
        if not self._seen.pods or self._seen.pods[-1][1:] != counts:
            self._seen.pods.append((self._elapsed(), *counts))
        conditions = (await self._get_deployment()).get("status", {}).get("conditions", [])
        self._seen.unready |= {
            each["reason"] for each in conditions if (each["type"], each["status"]) == ("Ready", "False")
        }
        return counts == (number, number)

    def _selector(self) -> Mapping[str, str]:
        return {"labelSelector": f"agentos.hyvve.io/deployment={self._case.name}"}

    async def _get_deployment(self) -> Object:
        path = f"{workspace.GROUP_PATH}/namespaces/{self._namespace}/agentdeployments/{self._case.name}"
        return await self._kubernetes.get(path) or {}

    async def _budget(self) -> Mapping[str, int]:
        """How many pods the PodDisruptionBudget counts, and how many of them may be evicted now."""
        path = f"/apis/policy/v1/namespaces/{self._namespace}/poddisruptionbudgets/{self._case.name}"
        status = (await self._kubernetes.get(path) or {}).get("status", {})
        return {key: status.get(key, 0) for key in ("expectedPods", "currentHealthy", "disruptionsAllowed")}

    async def _until(self, holds: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not await holds():
            if time.monotonic() > deadline:
                why = (
                    f"the deployment {self._case.name} was not seen in {seconds:.0f} s: {what}; pods: {self._seen.pods}"
                )
                raise StepFailedError(why, ADVICE)
            await asyncio.sleep(0.5)


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)
