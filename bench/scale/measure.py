"""The part `scale`: how long one workspace takes, how long a fleet takes, and what the fleet costs at rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench import circumstances, workspace
from bench.agent import API_VERSION
from bench.arithmetic import percentile
from bench.catalog import by_name
from bench.kubernetes import ADVICE, Kubernetes, Object
from bench.results import Entry, entry
from bench.scale import statements, world, writes
from bench.scale.world import USER, World
from local.api import has_condition
from local.steps import StepFailedError, say

READY_SECONDS = 600.0
IN_FLIGHT = 20
"""Workspaces that are applied at the same time, as one `kubectl apply` of a folder or a GitOps controller would."""
MIB = 2**20


@dataclass(frozen=True)
class Plan:
    """How many, and how long a rest; the names of the figures say 200."""

    workspaces: int = 200
    samples: int = 50
    rest_seconds: float = 60.0


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """The part's entries, and all samples."""
    with world.running() as place:
        return asyncio.run(_measure(plan, place))


async def _measure(plan: Plan, place: World) -> tuple[list[Entry], dict[str, Any]]:
    kubernetes = Kubernetes(place.kubeconfig)
    try:
        alone, executed = await _alone(kubernetes, place, [workspace.fresh_name() for _ in range(plan.samples)])
        say(f"  {plan.samples} workspaces one after the other: median {percentile(alone, 0.5) * 1000:.0f} ms")
        say(f"  statements in PostgreSQL for each: {executed}")
        before = place.operator.cpu_seconds()
        ready = await _fleet(kubernetes, [workspace.fresh_name() for _ in range(plan.workspaces)])
        cpu = place.operator.cpu_seconds() - before
        say(f"  {plan.workspaces} workspaces with a deployment each: all ready after {ready:.1f} s")
        rest = await _rest(place, plan.rest_seconds)
        version = await kubernetes.get("/version") or {}
    finally:
        await kubernetes.close()
    at = circumstances.now({"kubernetes": str(version.get("gitVersion", "")), "postgresql": "17"})
    figures = {
        "workspace-ready-p50": percentile(alone, 0.5) * 1000,
        "workspace-ready-p95": percentile(alone, 0.95) * 1000,
        **{f"workspace-sql-{what}": number for what, number in executed.items()},
        "scale-200-ready": ready,
        "scale-200-memory": rest["rss_mb"],
        "scale-200-steady-writes": rest["writes_per_minute"],
        "scale-200-steady-cpu": rest["cpu_percent"],
    }
    details = {"plan": vars(plan), "alone_ms": [round(one * 1000, 1) for one in alone], "fleet_cpu_s": cpu, **rest}
    return [entry(by_name(name), value, None, at) for name, value in figures.items()], details


async def _alone(kubernetes: Kubernetes, place: World, names: Sequence[str]) -> tuple[list[float], dict[str, float]]:
    """Seconds to Ready of each, and the statements for one of them when made, looked at again, and removed."""
    counts: dict[str, float] = {}
    statements.reset(place.database)
    seconds = [await _one(kubernetes, name) for name in names]
    counts["created"] = statements.counted(place.database) / len(names)
    statements.reset(place.database)
    await _change(kubernetes, names)
    counts["verified"] = statements.counted(place.database) / len(names)
    statements.reset(place.database)
    await _remove(kubernetes, names)
    counts["dropped"] = statements.counted(place.database) / len(names)
    return seconds, counts


async def _change(kubernetes: Kubernetes, names: Sequence[str]) -> None:
    """Give every one a name to show that PostgreSQL has nothing to do with, and see it Ready with it."""
    for name in names:
        await kubernetes.apply(workspace.workspace_path(name), _bare(name, "Bench again"))
    async with _Watch(kubernetes, f"{workspace.GROUP_PATH}/workspaces") as seen:
        await seen.ready(names)


async def _remove(kubernetes: Kubernetes, names: Sequence[str]) -> None:
    for name in names:
        await kubernetes.delete(workspace.workspace_path(name))
    for name in names:
        await kubernetes.gone(workspace.workspace_path(name), READY_SECONDS)


async def _one(kubernetes: Kubernetes, name: str) -> float:
    """Seconds from the apply of a Workspace to Ready, as a watch sees it."""
    async with _Watch(kubernetes, f"{workspace.GROUP_PATH}/workspaces") as seen:
        began = time.monotonic()
        await kubernetes.apply(workspace.workspace_path(name), _bare(name))
        return await seen.ready([name]) - began


def _bare(name: str, shown: str = "Bench") -> Object:
    spec = {"displayName": shown, "deletionPolicy": "Delete"}
    return {"apiVersion": API_VERSION, "kind": "Workspace", "metadata": {"name": name}, "spec": spec}


async def _fleet(kubernetes: Kubernetes, names: Sequence[str]) -> float:
    """Seconds from the first apply to the last AgentDeployment's Ready."""
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def make(name: str) -> None:
        async with gate:
            for path, document in workspace.documents(name):
                await kubernetes.apply(path, document)

    places = [workspace.namespace_of(name) for name in names]
    async with _Watch(kubernetes, f"{workspace.GROUP_PATH}/agentdeployments") as seen:
        began = time.monotonic()
        await asyncio.gather(*(make(name) for name in names))
        return await seen.ready(places) - began


class _Watch:
    """When each object of a collection became Ready, by its namespace or name."""

    def __init__(self, kubernetes: Kubernetes, path: str) -> None:
        self._kubernetes, self._path = kubernetes, path
        self._times: dict[str, float] = {}
        self._news = asyncio.Event()

    async def __aenter__(self) -> _Watch:
        opened = asyncio.Event()
        self._task = asyncio.create_task(self._kubernetes.watch(self._path, {}, self._see, opened.set))
        await opened.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    def _see(self, item: Object) -> None:
        metadata = item["metadata"]
        if has_condition(item, "Ready") and item["status"]["observedGeneration"] == metadata["generation"]:
            self._times.setdefault(metadata.get("namespace") or metadata["name"], time.monotonic())
            self._news.set()

    async def ready(self, names: Iterable[str]) -> float:
        """The moment at which the last of `names` was Ready."""
        wanted = set(names)
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not wanted <= self._times.keys():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            missing = sorted(wanted - self._times.keys())
            why = f"{len(missing)} of {len(wanted)} were not Ready after {READY_SECONDS:.0f} s, such as {missing[0]}"
            raise StepFailedError(why, ADVICE) from error
        return max(self._times[name] for name in wanted)


async def _rest(place: World, seconds: float) -> dict[str, Any]:
    """What goes on while nobody asks for anything, after a while for things to settle."""
    await asyncio.sleep(seconds)
    offset, cpu, began = place.audit.stat().st_size, place.operator.cpu_seconds(), time.monotonic()
    await asyncio.sleep(seconds)
    passed = time.monotonic() - began
    found = writes.since(place.audit, offset)
    own = writes.by_resource(found, USER)
    return {
        "rss_mb": place.operator.memory()["rss"] * MIB / 1e6,
        "cpu_percent": (place.operator.cpu_seconds() - cpu) / passed * 100,
        "writes_per_minute": sum(own.values()) / passed * 60,
        "writes": own,
        "writes_of_all": writes.by_user(found),
    }
