"""The part `upgrades`: a load through the gateway while the chart of an earlier state becomes this one, and back.

Three steps, so that what is replaced can be told apart: the chart and the operator, with the runtime's image as it was;
the runtime's image; and `helm rollback` of both. One workspace with one agent in one pod, as in `rollouts`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import circumstances, cluster, earlier, workspace
from bench.catalog import by_name
from bench.cluster import Place
from bench.earlier import Earlier
from bench.held_load import HeldLoad, Tally
from bench.kubernetes import Kubernetes, Object
from bench.results import Entry, entry
from bench.rollouts import Subject, as_json, phase
from local import demo

RUNTIMES = {"labelSelector": "app.kubernetes.io/name=agentos-runtime"}
"""Not the pods that try a workspace's isolation."""
PHASES = ("operator", "runtime", "back")


@dataclass(frozen=True)
class Plan:
    """From where, and under which load."""

    cluster: str = ""
    earlier: str = ""
    """A commit; the newest tag when empty."""
    in_flight: int = 4
    pause: float = 0.2


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """The entry, and what was replaced in each step."""
    before = earlier.of(plan.earlier)
    with cluster.ready(plan.cluster, before.images.values()) as place:
        return asyncio.run(run(plan, place, before))


async def run(plan: Plan, place: Place, before: Earlier) -> tuple[list[Entry], dict[str, Any]]:
    """The part on a cluster that has this state, which it has again in the end."""
    kubernetes = Kubernetes(place.kubeconfig)
    subject = Subject(kubernetes, place.port, workspace.fresh_name())
    release = _Release(place, before)
    try:
        await asyncio.to_thread(release.install_earlier)
        async with (
            subject.present(),
            HeldLoad(place.port, subject.request, in_flight=plan.in_flight, pause=plan.pause) as load,
            _Pods(kubernetes, subject.namespace) as pods,
        ):
            steps = (release.upgrade_operator, release.install_this, release.go_back)
            phases = {
                name: await _step(load, pods, name, subject, step) for name, step in zip(PHASES, steps, strict=True)
            }
        version = await kubernetes.get("/version") or {}
    finally:
        await asyncio.to_thread(release.install_this)
        await kubernetes.close()
    at = circumstances.now({"earlier": before.commit, "kubernetes": str(version.get("gitVersion", ""))})
    failed = sum(len(seen.failures) for seen, _, _ in phases.values())
    return (
        [entry(by_name("upgrade-failed-requests"), failed, None, at)],
        {
            "load": {"in_flight": plan.in_flight, "pause_seconds": plan.pause},
            **{name: {**as_json(seen, seconds), **told} for name, (seen, seconds, told) in phases.items()},
        },
    )


async def _step(
    load: HeldLoad, pods: _Pods, name: str, subject: Subject, change: Callable[[], str]
) -> tuple[Tally, float, dict[str, int]]:
    """One change of the release, until the agent's pods run the image that it says."""
    pods.begin()

    async def happen() -> None:
        image = await asyncio.to_thread(change)
        await subject.runs(image)

    seen, seconds = await phase(load, name, happen)
    return seen, seconds, pods.told()


class _Pods:
    """A Namespace's runtimes, as a watch tells of them: which pods came in a step, and whose containers restarted."""

    def __init__(self, kubernetes: Kubernetes, namespace: str) -> None:
        self._kubernetes = kubernetes
        self._path = f"{workspace.namespace_path(namespace)}/pods"
        self._known: dict[str, Object] = {}
        self._before: set[str] = set()
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> _Pods:
        """Once it was told of the pod that is there."""
        watch = self._kubernetes.watch(self._path, RUNTIMES, self._see, lambda: None)
        self._task = asyncio.create_task(watch)
        await asyncio.wait_for(self._told.wait(), 30)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _see(self, pod: Object) -> None:
        self._known[pod["metadata"]["uid"]] = pod
        self._told.set()

    def begin(self) -> None:
        """A step: pods that come from now on are its own."""
        self._before = set(self._known)

    def told(self) -> dict[str, int]:
        """Pods that came in the step, and restarts of containers so far, of all pods."""
        statuses = [one for pod in self._known.values() for one in pod["status"].get("containerStatuses", [])]
        return {
            "new_pods": len(self._known.keys() - self._before),
            "restarts": sum(one["restartCount"] for one in statuses),
        }


class _Release:
    """The steps of an administrator; each returns the runtime's image that it ends with."""

    def __init__(self, place: Place, before: Earlier) -> None:
        self._place = place
        self._before = before
        self._this = demo.ensure_images()
        self._revision = ""

    def install_earlier(self) -> str:
        """The earlier chart with its own images."""
        image = self._install({**self._this, **self._before.images}, self._before.chart)
        self._revision = demo.revision(self._place.kubeconfig)
        return image

    def upgrade_operator(self) -> str:
        """This chart and operator, with the earlier runtime."""
        return self._install({**self._this, "agentos-runtime": self._before.images["agentos-runtime"]})

    def install_this(self) -> str:
        """As the quick start has it."""
        return self._install(self._this)

    def go_back(self) -> str:
        """What an administrator does who does not like what came."""
        demo.helm(self._place.kubeconfig, "rollback", demo.RELEASE, self._revision, "-n", demo.NAMESPACE)
        cluster.wait(self._place.kubeconfig)
        return self._before.images["agentos-runtime"].ref

    def _install(self, found: demo.Found, chart: Path = demo.CHART) -> str:
        demo.install(self._place.kubeconfig, found, self._place.port, chart)
        cluster.wait(self._place.kubeconfig)
        return found["agentos-runtime"].ref
