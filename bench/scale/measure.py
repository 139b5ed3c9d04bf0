"""The part `scale`: how long one workspace takes, how long fleets take, and what the largest costs at rest and after.

a world without an operator    fleets by the bare client, the smallest first
a world with one               workspaces one after the other; then each fleet: made, weighed, removed, the
                               operator begun anew in between
of the largest                 also restart, single changes and rest
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench import circumstances, workspace
from bench.arithmetic import percentile
from bench.catalog import SCALE_SIZES, by_name
from bench.results import Entry, entry
from bench.scale import alone, fleet, rest, restart, world
from bench.scale.bare import Bare, BareClient
from bench.scale.client import Client
from bench.scale.world import World
from local.steps import say

MB_PER_MIB = 2**20 / 1e6
LARGEST = max(SCALE_SIZES)


@dataclass(frozen=True)
class Plan:
    """How many, and how long a pause."""

    sizes: Sequence[int] = SCALE_SIZES
    samples: int = 50
    """Workspaces that are made one after the other."""
    changes: int = 40
    settle_seconds: float = 30.0
    """From the last Ready until memory is looked at, from the last look at all until rest is, and from the last removal
    until there is nothing to look at."""


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """The part's entries, and what they were made of."""
    with world.running() as place:
        bare = asyncio.run(_bare(plan, place))
    with world.running() as place:
        return asyncio.run(_operated(plan, place, bare))


async def _bare(plan: Plan, place: World) -> dict[int, Bare]:
    """By size, what the bare client needs."""
    found = {}
    async with Client(place.kubeconfig) as client:
        maker = BareClient(client, place)
        await maker.prepare()
        for size in sorted(plan.sizes):
            found[size] = await maker.fleet(_names(size), fleet.IN_FLIGHT, fleet.patience(size))
            say(f"  {size} workspaces by the bare client: available after {found[size].seconds:.1f} s")
        await maker.close()
    return found


async def _operated(plan: Plan, place: World, bare: dict[int, Bare]) -> tuple[list[Entry], dict[str, Any]]:
    async with Client(place.kubeconfig) as client:
        place.operator.start()
        figures, details = await alone.measure(client, place, _names(plan.samples))
        sizes: dict[str, Any] = {}
        for size in sorted(plan.sizes):
            place.operator.stop()
            place.operator.start()
            sizes[str(size)] = await _size(plan, place, client, size, last=size == max(plan.sizes))
            sizes[str(size)]["bare"] = asdict(bare[size])
        version = str((await client.get("/version")).get("gitVersion", ""))
    at = circumstances.now({"kubernetes": version, "postgresql": "17", **circumstances.python("kopf", "aiohttp")})
    entries = [entry(by_name(name), value, None, at) for name, value in figures.items()]
    for size in sorted(plan.sizes):
        if size in SCALE_SIZES:
            found = _figures(size, sizes[str(size)])
            entries += [entry(by_name(name), ours, beside, at) for name, (ours, beside) in found.items()]
    return entries, {**details, "sizes": sizes, "machine": at.machine, "date": at.date, "versions": dict(at.versions)}


def _names(count: int) -> list[str]:
    return [workspace.fresh_name() for _ in range(count)]


async def _size(plan: Plan, place: World, client: Client, size: int, *, last: bool) -> dict[str, Any]:
    """One fleet, from its first apply to its last trace."""
    names = _names(size)
    made = await fleet.make(client, place, names)
    say(
        f"  {size} workspaces with a deployment each: ready after {made.seconds:.1f} s, {made.cpu_seconds:.1f} s of CPU"
    )
    await asyncio.sleep(plan.settle_seconds)
    found: dict[str, Any] = {**asdict(made), "rss_mb": place.operator.memory()["rss"] * MB_PER_MIB}
    rested = None
    if last:
        found["restart"] = asdict(await restart.restart(client, place, size))
        say(f"  settled {found['restart']['seconds']:.1f} s after a restart")
        found["changes_s"] = await fleet.change_some(client, names, plan.changes)
        rested = await rest.rest(place, size, plan.settle_seconds)
    found["removed_s"] = await fleet.remove(client, names)
    found["left"] = await fleet.left(client, place)
    if rested:
        await asyncio.sleep(plan.settle_seconds)
        found["rest"] = _rest(rested, await rest.idle_percent(place))
    say(f"  removed after {found['removed_s']:.1f} s; left: {found['left'] or 'nothing'}")
    return found


def _rest(rested: rest.Rested, idle: float) -> dict[str, Any]:
    found = {"cpu_percent": rested.cpu_percent(idle), "idle_cpu_percent": idle}
    return {**asdict(rested), **found, "writes_per_minute": rested.writes_per_minute}


def _figures(size: int, found: dict[str, Any]) -> dict[str, tuple[float, float | None]]:
    """By name, ours and the bare client's."""
    bare = found["bare"]
    figures: dict[str, tuple[float, float | None]] = {
        f"scale-{size}-ready": (found["seconds"], bare["seconds"]),
        f"scale-{size}-memory": (found["rss_mb"], None),
        f"scale-{size}-cpu": (found["cpu_seconds"] / size * 1000, bare["cpu_seconds"] / size * 1000),
        f"scale-{size}-calls": (sum(found["requests"].values()) / size, bare["requests"] / size),
        f"scale-{size}-sql": (found["statements"] / size, bare["statements"] / size),
        f"scale-{size}-removed": (found["removed_s"], None),
        f"scale-{size}-left": (sum(found["left"].values()), None),
    }
    if size == LARGEST and "rest" in found:
        figures |= {
            "steady-writes": (found["rest"]["writes_per_minute"], None),
            "steady-cpu": (found["rest"]["cpu_percent"], None),
            "restart-settle": (found["restart"]["seconds"], None),
            "restart-writes": (found["restart"]["changed"], None),
            "one-change-p50": (percentile(found["changes_s"], 0.5), None),
            "one-change-p95": (percentile(found["changes_s"], 0.95), None),
        }
    return figures
