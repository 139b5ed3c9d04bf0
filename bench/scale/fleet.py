"""What happens to a fleet of workspaces: it is made at once, one of it changes, it is removed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agentos_operator.clients.kinds import (
    AGENT_DEPLOYMENT,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    POD,
    SECRET,
    WATCHED,
    WORKSPACE,
    Kind,
)
from agentos_operator.naming import FIELD_MANAGER, MANAGED_BY_LABEL
from bench import workspace
from bench.scale import statements, writes
from bench.scale.client import Client, Watch, is_ready
from bench.scale.world import SYSTEM, USER, World

IN_FLIGHT = 50
"""Workspaces that are applied at the same time, as one `kubectl apply` of a folder or a GitOps controller would; the
bare client makes as many at a time."""
AGENT_DEPLOYMENTS = f"{workspace.GROUP_PATH}/agentdeployments"
WORKSPACES = f"{workspace.GROUP_PATH}/workspaces"
_ROLES = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'ws\\_%'"
_SCHEMAS = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'ws\\_%'"
_OURS = f"{MANAGED_BY_LABEL}={FIELD_MANAGER}"


def patience(workspaces: int) -> float:
    """Seconds after which a fleet counts as stuck: twice what one took on a busy machine."""
    return 180 + 1.5 * workspaces


@dataclass(frozen=True)
class Made:
    """What a fleet has cost until all of it was Ready."""

    seconds: float
    cpu_seconds: float
    """The operator's."""
    requests: dict[str, int]
    """The operator's, as `verb resource`."""
    statements: int


async def make(client: Client, place: World, names: Sequence[str]) -> Made:
    """Apply all workspaces and their deployments, and wait for Ready."""
    statements.reset(place.database)
    cpu, offset = place.operator.cpu_seconds(), place.audit.stat().st_size
    async with Watch(client, AGENT_DEPLOYMENTS, is_ready) as seen:
        began = asyncio.get_running_loop().time()
        await each(names, lambda name: _apply(client, name))
        wanted = {workspace.namespace_of(name) for name in names}
        seconds = await seen.all(wanted, patience(len(names))) - began
    used = place.operator.cpu_seconds() - cpu
    asked = writes.by_verb(writes.requests(place.audit, offset), USER)
    return Made(seconds, used, dict(asked), statements.counted(place.database))


async def each(names: Sequence[str], do: Callable[[str], Awaitable[object]]) -> None:
    """`do` for every name, a bounded number at a time."""
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(name: str) -> None:
        async with gate:
            await do(name)

    await asyncio.gather(*(one(name) for name in names))


async def _apply(client: Client, name: str) -> None:
    for path, document in workspace.documents(name):
        await client.apply(path, document)


async def change_some(client: Client, names: Sequence[str], samples: int) -> list[float]:
    """Seconds until each of `samples` workspaces among all, changed one after the other, is Ready with its change.

    What changes is the number of connections: SQL has to be run for it.
    """
    found = []
    for limit, name in enumerate(random.choices(names, k=samples), start=41):
        async with Watch(client, WORKSPACES, is_ready) as seen:
            await seen.all({name}, 60)
            began = asyncio.get_running_loop().time()
            answer = await client.merge(
                workspace.workspace_path(name), {"spec": {"database": {"connectionLimit": limit}}}
            )
            found.append(await seen.at(name, answer["metadata"]["generation"], 60) - began)
    return found


async def remove(client: Client, names: Sequence[str]) -> float:
    """Seconds from the first request to delete a Workspace to the end of the last one."""
    async with Watch(client, WORKSPACES, is_ready) as seen:
        began = asyncio.get_running_loop().time()
        await each(names, lambda name: client.delete(workspace.workspace_path(name)))
        return await seen.gone(set(names), patience(len(names))) - began


async def left(client: Client, place: World) -> dict[str, int]:
    """What there is of workspaces: objects by kind, roles and schemas; only what there is any of."""
    counts: dict[str, Any] = await objects_left(client)
    with place.database.connect("agentos") as connection:
        for what, query in (("role", _ROLES), ("schema", _SCHEMAS)):
            counts[what] = connection.execute(query).fetchall()[0][0]
    return {what: number for what, number in counts.items() if number}


async def objects_left(client: Client) -> dict[str, int]:
    """How many objects of workspaces there are of each kind."""
    counts = {}
    for kind in (*WATCHED, WORKSPACE, AGENT_DEPLOYMENT, CONFIG_MAP, SECRET, POD, CONTROLLER_REVISION):
        found = await client.list(kind.path(None, None), _label(kind))
        counts[kind.kind] = sum(each["metadata"].get("namespace") != SYSTEM for each in found)
    return counts


def _label(kind: Kind) -> str:
    """What users write carries no label of ours."""
    return "" if kind in (WORKSPACE, AGENT_DEPLOYMENT) else _OURS
