"""Workspaces without deployments, one after the other: the time and the SQL of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bench import workspace
from bench.agent import API_VERSION
from bench.arithmetic import percentile
from bench.scale import fleet, statements
from bench.scale.client import Client, Object, Watch, is_ready
from bench.scale.world import World
from local.steps import say

SECONDS = 60.0


async def measure(client: Client, place: World, names: Sequence[str]) -> tuple[dict[str, float], dict[str, Any]]:
    """Milliseconds to Ready, and the statements for one when made, looked at again, and removed; and all samples."""
    executed: dict[str, float] = {}
    statements.reset(place.database)
    seconds = [await _one(client, name) for name in names]
    executed["created"] = statements.counted(place.database) / len(names)
    statements.reset(place.database)
    await _change(client, names)
    executed["verified"] = statements.counted(place.database) / len(names)
    statements.reset(place.database)
    await fleet.remove(client, names)
    executed["dropped"] = statements.counted(place.database) / len(names)
    say(f"  {len(names)} workspaces one after the other: median {percentile(seconds, 0.5) * 1000:.0f} ms")
    say(f"  statements in PostgreSQL for each: {executed}")
    figures = {
        "workspace-ready-p50": percentile(seconds, 0.5) * 1000,
        "workspace-ready-p95": percentile(seconds, 0.95) * 1000,
        **{f"workspace-sql-{what}": number for what, number in executed.items()},
    }
    return figures, {"alone_ms": [round(each * 1000, 1) for each in seconds]}


async def _one(client: Client, name: str) -> float:
    """Seconds from the apply of a Workspace to Ready, as a watch sees it."""
    async with Watch(client, fleet.WORKSPACES, is_ready) as seen:
        began = asyncio.get_running_loop().time()
        await client.apply(workspace.workspace_path(name), _bare(name))
        return await seen.all({name}, SECONDS) - began


async def _change(client: Client, names: Sequence[str]) -> None:
    """Give every one a name to show that PostgreSQL has nothing to do with, and see it Ready with it."""
    for name in names:
        await client.apply(workspace.workspace_path(name), _bare(name, "Bench again"))
    async with Watch(client, fleet.WORKSPACES, is_ready) as seen:
        await seen.all(set(names), SECONDS)


def _bare(name: str, shown: str = "Bench") -> Object:
    spec = {"displayName": shown, "deletionPolicy": "Delete"}
    return {"apiVersion": API_VERSION, "kind": "Workspace", "metadata": {"name": name}, "spec": spec}
