"""One workspace lives through its steps: each is done as its people would, and seen to take effect."""

from __future__ import annotations

import asyncio
import copy
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp

from agentos_operator.database_names import DatabaseNames, database_names
from agentosctl import rotate
from bench import pod_process, workspace
from bench.agent import AGENT
from bench.scale.client import Client, RefusedError, is_ready
from bench.soak.board import Board
from bench.soak.lives import Action, Step, Subject
from bench.soak.place import RUNTIME_CLASS, SoakPlace
from bench.upgrades import RUNTIMES
from local.api import has_condition
from local.steps import StepFailedError, say

Object = dict[str, Any]
PATIENCE = 600.0
"""Seconds until a workspace that is not as it was asked to be counts as failed: on two busy cores, a hundred pods that
are replaced at once have taken some minutes."""
_TOKENS = "1m"
"""Longest life of tokens, so that a rotation of the signing secret ends within a round."""
_AGENT = f"agentdeployments/{AGENT}"


@dataclass
class Surroundings:
    """What all lives share."""

    client: Client
    board: Board
    place: SoakPlace
    failures: list[Object] = field(default_factory=list)
    """What did not become as it was asked to be."""


class Life:
    """A workspace with one agent, as it is asked to be at the moment."""

    def __init__(self, subject: Subject, around: Surroundings) -> None:
        self.subject = subject
        self.there = False
        self.failed = False
        """It is left alone from then on, as it is, for those who look into it."""
        self._around = around
        self._asleep = False
        self._uid = ""
        self._asked: rotate.Asked | None = None
        self._retained = False
        """Whether the last of this name has left its data."""

    @property
    def names(self) -> DatabaseNames:
        """What it has in PostgreSQL."""
        return database_names(self.subject.name, self._uid)

    @property
    def namespace(self) -> str:
        """Its Namespace."""
        return workspace.namespace_of(self.subject.name)

    async def live(self, steps: Sequence[Step]) -> None:
        """One round."""
        began = asyncio.get_running_loop().time()
        for step in steps:
            await asyncio.sleep(max(0.0, began + step.after - asyncio.get_running_loop().time()))
            await self.attempt(step.action, partial(self._DO[step.action], self, step))
            if not step.hasty:
                await self.settle(step.action)

    async def attempt(self, action: str, do: Callable[[], Awaitable[None]]) -> None:
        """Ask for something; a request that fails is noted."""
        try:
            if not self.failed:
                await do()
        except (StepFailedError, aiohttp.ClientError, TimeoutError) as error:
            self.fail(action, str(error) or type(error).__name__)

    async def settle(self, action: str) -> None:
        """Until it is as it was asked to be; what is not, is noted."""
        if not self.failed and not await self._around.board.until(self.is_as_asked, PATIENCE):
            self.fail(action, f"not so after {PATIENCE:.0f} s")

    def fail(self, action: str, why: str) -> None:
        """Note that it is not as it should be, and with which conditions."""
        say(f"  {self.subject.name}, {action}: {why}")
        self.failed = True
        board = self._around.board
        bodies = (board.workspaces.get(self.subject.name), board.agents.get(self.namespace))
        told = {body["kind"]: body.get("status", {}).get("conditions", []) for body in bodies if body}
        self._around.failures.append({"workspace": self.subject.name, "action": action, "why": why, "conditions": told})

    def is_as_asked(self) -> bool:
        """As the board has it."""
        body = self._around.board.workspaces.get(self.subject.name)
        if not self.there or body is None:
            return not self.there and body is None
        agent = self._around.board.agents.get(self.namespace)
        if body["metadata"]["uid"] != self._uid or not is_ready(body) or agent is None or not is_ready(agent):
            return False
        rotating = self._asked is not None and any(rotate.pending(body, self._asked))
        return not rotating and has_condition(body, "Suspended") == self._asleep

    async def make(self, value: int = 0) -> None:
        """With an even value on the data that the last of this name has left, if it has."""
        left = await self._around.place.retained() if self._retained and value % 2 == 0 else {}
        await self.make_from(next((name for name, whose in left.items() if whose == self.subject.name), None))

    async def make_from(self, restored: str | None) -> None:
        """On this retained data, or on none."""
        for path, document in documents(self.subject, restored):
            stored = await self._around.client.apply(path, document)
            if path == workspace.workspace_path(self.subject.name):
                self._uid = stored["metadata"]["uid"]
        self.there, self._asleep, self._asked, self._retained = True, False, None, False

    async def end(self, policy: str) -> None:
        """Delete it, with what shall become of its data."""
        await self._merge({"spec": {"deletionPolicy": policy}})
        await self._around.client.delete(workspace.workspace_path(self.subject.name))
        self.there, self._asleep, self._retained = False, False, policy == "Retain"

    async def _limit(self, step: Step) -> None:
        await self._merge({"spec": {"database": {"connectionLimit": 20 + step.value % 20}}})

    async def _instruct(self, step: Step) -> None:
        agents = copy.deepcopy(workspace.documents(self.subject.name)[-1][1]["spec"]["agents"])
        agents[0]["instructions"] = [f"Answer in at most {step.value} words."]
        path = f"{workspace.GROUP_PATH}/namespaces/{self.namespace}/{_AGENT}"
        await self._around.client.merge(path, {"spec": {"agents": agents}})

    async def _rotate(self, step: Step) -> None:
        fields = ("database", "auth") if step.action is Action.ROTATE_ALL else ("database",)
        self._asked = rotate.Asked(self.subject.name, str(step.value), fields)
        await self._merge({"metadata": {"annotations": dict(rotate.annotations_of(self._asked))}})

    async def _suspend(self, asleep: bool) -> None:
        await self._merge({"spec": {"suspended": asleep}})
        self._asleep = asleep

    async def _kill_pods(self, step: Step) -> None:
        """Real ones by SIGKILL every other time, as the kernel does that lacks memory; else they are deleted."""
        path = f"{workspace.namespace_path(self.namespace)}/pods"
        for pod in await self._around.client.list(path, RUNTIMES["labelSelector"]):
            if self.subject.real and step.value % 2:
                for pid in pod_process.of_pod(pod["metadata"]["uid"], "agentos"):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                continue
            try:
                await self._around.client.delete(f"{path}/{pod['metadata']['name']}")
            except RefusedError as error:
                if error.status != 404:  # gone by itself meanwhile
                    raise

    async def _merge(self, change: Object) -> None:
        await self._around.client.merge(workspace.workspace_path(self.subject.name), change)

    _DO: dict[Action, Callable[[Life, Step], Awaitable[None]]] = {  # noqa: RUF012 - constant
        Action.MAKE: lambda self, step: self.make(step.value),
        Action.LIMIT: _limit,
        Action.INSTRUCT: _instruct,
        Action.ROTATE: _rotate,
        Action.ROTATE_ALL: _rotate,
        Action.SUSPEND: lambda self, _: self._suspend(True),
        Action.RESUME: lambda self, _: self._suspend(False),
        Action.RETAIN: lambda self, _: self.end("Retain"),
        Action.DROP: lambda self, _: self.end("Delete"),
        Action.KILL_PODS: _kill_pods,
    }


def documents(subject: Subject, restored: str | None = None) -> list[tuple[str, Object]]:
    """Those of the other parts, with short-lived tokens, and on nodes that are not there unless it is real."""
    found = workspace.documents(subject.name)
    spec = dict(found)[workspace.workspace_path(subject.name)]["spec"]
    spec["auth"] = {"maxTokenLifetime": _TOKENS}
    spec["database"] = {"isolation": subject.isolation} | ({"restoreFrom": restored} if restored else {})
    if not subject.real:
        spec["runtimeClassName"] = RUNTIME_CLASS
    return found
