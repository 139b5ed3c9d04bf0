"""The part `rollouts`: a load through the gateway while credentials are rotated and while the spec changes.

One workspace with one agent in one pod, the least that can be replaced without a gap. Tokens may live for a minute, so
that the rotation of the signing secret ends in some minutes instead of a day.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from agentosctl import rotate
from bench import circumstances, cluster, workspace
from bench.agent import AGENT, MESSAGE
from bench.catalog import by_name
from bench.cluster import Place
from bench.connection import Connection, NoAnswer
from bench.held_load import Failure, HeldLoad, Tally
from bench.kubernetes import ADVICE, Kubernetes, Object
from bench.results import Entry, entry
from bench.signer import Signer
from local.steps import StepFailedError, say

READY_SECONDS = 300.0
ROTATION_SECONDS = 1200.0
REST_SECONDS = 10.0
"""Before and after what happens."""


@dataclass(frozen=True)
class Plan:
    """How much load is held, and where."""

    cluster: str = ""
    in_flight: int = 4
    pause: float = 0.2
    """Seconds between a worker's requests: a load that leaves the cores room for the pods that start."""
    to_the_end: bool = True
    """Whether to wait until tokens of the earlier secret have run out, which takes minutes, and pods forget it."""


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """Both entries, and what the load saw."""
    with cluster.ready(plan.cluster) as place:
        return asyncio.run(run(plan, place))


async def run(plan: Plan, place: Place) -> tuple[list[Entry], dict[str, Any]]:
    """The part on a cluster that is ready for it."""
    kubernetes = Kubernetes(place.kubeconfig)
    subject = Subject(kubernetes, place.port, workspace.fresh_name())
    try:
        async with (
            subject.present(),
            HeldLoad(place.port, subject.request, in_flight=plan.in_flight, pause=plan.pause) as load,
        ):
            phases = {
                "rotation": await phase(load, "rotation", partial(subject.rotate, to_the_end=plan.to_the_end)),
                "rollout": await phase(load, "rollout", subject.change_spec),
            }
        version = await kubernetes.get("/version") or {}
    finally:
        await kubernetes.close()
    at = circumstances.now({**circumstances.packages("agno"), "kubernetes": str(version.get("gitVersion", ""))})
    failed = {f"{name}-failed-requests": len(seen.failures) for name, (seen, _) in phases.items()}
    held = {"in_flight": plan.in_flight, "pause_seconds": plan.pause}
    return (
        [entry(by_name(name), number, None, at) for name, number in failed.items()],
        {"load": held, **{name: as_json(seen, seconds) for name, (seen, seconds) in phases.items()}},
    )


async def phase(load: HeldLoad, name: str, happen: Callable[[], Awaitable[None]]) -> tuple[Tally, float]:
    """What the load sees while something happens, and the seconds of that, with a rest before and after."""
    load.phase()
    began = time.monotonic()
    await asyncio.sleep(REST_SECONDS)
    await happen()
    await asyncio.sleep(REST_SECONDS)
    seen, seconds = load.phase(), time.monotonic() - began
    say(f"  {name}: {seen.requests} requests in {seconds:.0f} s, {len(seen.failures)} failed")
    return seen, seconds


def as_json(seen: Tally, seconds: float) -> dict[str, Any]:
    """A phase for the details."""
    return {
        "requests": seen.requests,
        "seconds": round(seconds, 1),
        "slowest_seconds": round(seen.slowest, 2),
        "failures": [_failure(each) for each in seen.failures[:50]],
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {"at": failure.seconds, "took": failure.took, "what": failure.what}


class Subject:
    """The workspace that the load is put on."""

    def __init__(self, kubernetes: Kubernetes, port: int, name: str) -> None:
        self._kubernetes = kubernetes
        self._port = port
        self._name = name
        self.namespace = workspace.namespace_of(name)
        self._documents = dict(_documents(name))
        self._signer = Signer(kubernetes, name)

    @asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        """There for the length of a block, and answering."""
        try:
            for path, document in self._documents.items():
                await self._kubernetes.apply(path, document)
            await self._until(self._answers, "answers through the gateway", READY_SECONDS)
            await self._until(self._is_at_rest, "is at rest", READY_SECONDS)
            yield
        finally:
            await self._remove()

    async def request(self) -> bytes:
        """A question with a fresh token."""
        return await self._signer.question(AGENT, MESSAGE)

    async def rotate(self, *, to_the_end: bool) -> None:
        """Both credentials, until nothing uses the earlier ones; or until what is left is to wait for old tokens."""
        asked = rotate.Asked(self._name, f"{time.time_ns()}", ("database", "auth"))
        path = workspace.workspace_path(self._name)
        document = copy.deepcopy(self._documents[path])
        document["metadata"]["annotations"] = dict(rotate.annotations_of(asked))
        await self._kubernetes.apply(path, document)

        async def ended() -> bool:
            body = await self._kubernetes.get(path) or {}
            left = list(rotate.pending(body, asked))
            return not left or (not to_the_end and left == ["auth"] and _waits_for_old_tokens(body))

        await self._until(ended, "has new credentials", ROTATION_SECONDS)
        await self._until(self._is_at_rest, "is at rest", READY_SECONDS)

    async def change_spec(self) -> None:
        """Another instruction, until only pods of the new revision are left."""
        path = self._deployment_path
        document = copy.deepcopy(self._documents[path])
        document["spec"]["agents"][0]["instructions"] = ["Be brief."]
        await self._kubernetes.apply(path, document)
        generation = ((await self._kubernetes.get(path)) or {})["metadata"]["generation"]

        async def seen() -> bool:
            status = ((await self._kubernetes.get(path)) or {}).get("status", {})
            return bool(status.get("observedGeneration", 0) >= generation)

        await self._until(seen, "has its new spec seen", READY_SECONDS)
        await self._until(self._is_at_rest, "is at rest", READY_SECONDS)

    async def runs(self, image: str) -> None:
        """Until its only pod is ready and is of this image."""

        async def does() -> bool:
            pods = await self._kubernetes.list(f"{workspace.namespace_path(self.namespace)}/pods", {})
            images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
            return images == {image} and await self._is_at_rest()

        await self._until(does, f"runs {image} alone", READY_SECONDS)

    @property
    def _deployment_path(self) -> str:
        return f"{workspace.GROUP_PATH}/namespaces/{self.namespace}/agentdeployments/{AGENT}"

    async def _answers(self) -> bool:
        """Whether one question is answered."""
        return await self._signer.is_there() and await answers(self._port, await self.request())

    async def _is_at_rest(self) -> bool:
        """Whether the AgentDeployment is ready and one pod is left, which is not ending."""
        deployment = await self._kubernetes.get(self._deployment_path) or {}
        pods = await self._kubernetes.list(f"{workspace.namespace_path(self.namespace)}/pods", {})
        conditions = deployment.get("status", {}).get("conditions", [])
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        return ready and len(pods) == 1 and "deletionTimestamp" not in pods[0]["metadata"]

    async def _until(self, holds: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not await holds():
            if time.monotonic() > deadline:
                raise StepFailedError(f"the workspace {self._name} was not seen in {seconds:.0f} s: {what}", ADVICE)
            await asyncio.sleep(0.5)

    async def _remove(self) -> None:
        await self._kubernetes.delete(workspace.workspace_path(self._name))
        await self._kubernetes.gone(workspace.workspace_path(self._name), READY_SECONDS)
        await self._kubernetes.delete(workspace.namespace_path(self.namespace))
        await self._kubernetes.gone(workspace.namespace_path(self.namespace), READY_SECONDS)


async def answers(port: int, request: bytes) -> bool:
    """Whether the gateway at `port` answers one request with 200."""
    connection = Connection(port)
    try:
        return (await connection.ask(request))[0] == 200
    except NoAnswer:
        return False
    finally:
        connection.close()


def _waits_for_old_tokens(body: Object) -> bool:
    return bool(body["status"]["auth"]["rotation"].get("step") == "WaitingForOldTokens")


def _documents(name: str) -> list[tuple[str, Object]]:
    """Those of the other parts, with tokens that live for a minute."""
    documents = workspace.documents(name)
    for path, document in documents:
        if path == workspace.workspace_path(name):
            document["spec"]["auth"] = {"maxTokenLifetime": "1m"}
    return documents
