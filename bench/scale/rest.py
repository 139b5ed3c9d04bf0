"""What the operator does while nobody asks for anything, for as long as it takes to look at everything once as a whole.

That is six resync intervals, of which the chart's would be an hour. They are made shorter here: what a look costs does
not depend on when it comes. What the operator costs without any workspace does not get shorter, so it is measured too
and counted for the whole of that hour.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import yaml

from agentos_operator.workqueue import GLANCES
from bench.scale import writes
from bench.scale.restart import wait_until_settled
from bench.scale.world import USER, World

HASTE = 6.0
"""How many times as often everything is looked at."""
IDLE_SECONDS = 60.0


@dataclass(frozen=True)
class Rested:
    """What went on from one whole look at everything to the next."""

    resync_seconds: float
    """As configured by the chart."""
    seconds: float
    cpu_seconds: float
    writes: Mapping[str, int]
    """What the operator asked the API server to write, by resource."""
    writes_of_all: Mapping[str, int]

    @property
    def writes_per_minute(self) -> float:
        """Of the shortened time."""
        return sum(self.writes.values()) / self.seconds * 60

    def cpu_percent(self, idle: float) -> float:
        """Of a core, at the chart's interval; ``idle`` is the percentage with nothing to look at."""
        whole = self.resync_seconds * (GLANCES + 1)
        return self.cpu_seconds / whole * 100 + idle * (1 - self.seconds / whole)


async def rest(place: World, workspaces: int, settle_seconds: float) -> Rested:
    """Rest among so many, each with a deployment, by an operator that is begun anew for it and again after it."""
    with _hurried(place) as resync:
        wait_until_settled(place, workspaces)
        await asyncio.sleep(settle_seconds)
        offset, cpu, began = place.audit.stat().st_size, place.operator.cpu_seconds(), time.monotonic()
        await asyncio.sleep(resync / HASTE * (GLANCES + 1))
        passed, used = time.monotonic() - began, place.operator.cpu_seconds() - cpu
        found = writes.since(place.audit, offset)
    wait_until_settled(place, workspaces)
    return Rested(resync, passed, used, writes.by_resource(found, USER), writes.by_user(found))


async def idle_percent(place: World) -> float:
    """The operator's share of a core where there is nothing of its own in the cluster."""
    cpu, began = place.operator.cpu_seconds(), time.monotonic()
    await asyncio.sleep(IDLE_SECONDS)
    return (place.operator.cpu_seconds() - cpu) / (time.monotonic() - began) * 100


@contextmanager
def _hurried(place: World) -> Iterator[float]:
    """The operator with a shorter resync interval; that of its configuration, in seconds."""
    text = place.config.read_text()
    config = yaml.safe_load(text)
    place.operator.stop()
    place.config.write_text(yaml.safe_dump({**config, "resyncSeconds": config["resyncSeconds"] / HASTE}))
    place.operator.start()
    try:
        yield float(config["resyncSeconds"])
    finally:
        place.operator.stop()
        place.config.write_text(text)
        place.operator.start()
