"""Has kopf watch kinds that are installed while the operator runs; started by ``main``.

kopf scans the API server's resources anew at every event of a CustomResourceDefinition. The API server lists a new
kind some moments after the last such event; a scan that came too early is not repeated, and the kind would stay
unwatched until the next restart. So the scan is repeated here for as long as a kind is missing.

kopf has no public way to scan. The function that it calls at such an event is called instead, on the ``insights`` that
the running operator was given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import kopf
from kopf._cogs.clients.errors import APIError
from kopf._cogs.structs.bodies import RawBody, RawEvent
from kopf._cogs.structs.references import Insights
from kopf._core.reactor.observation import process_discovered_resource_event

from agentos_operator.clients.kinds import Kind

SCAN_SECONDS = 5.0
"""Seconds between scans while a kind is missing: the longest time that an installed kind goes unnoticed."""


@dataclass(frozen=True)
class LateKinds:
    """The kinds that shall be watched, and the running kopf that watches."""

    kinds: Collection[Kind]
    registry: kopf.OperatorRegistry
    settings: kopf.OperatorSettings
    insights: Insights

    async def follow(self) -> None:
        """Scan for missing kinds until cancelled."""
        await self.insights.ready_resources.wait()
        while True:
            await asyncio.sleep(SCAN_SECONDS)
            for group in self.missing_groups():
                try:
                    await self._scan(group)
                except (APIError, OSError, TimeoutError):
                    continue  # the API server cannot be asked now; the next round asks again

    def missing_groups(self) -> set[str]:
        """API groups of kinds that are not watched."""
        watched = {(each.group, each.version, each.plural) for each in self.insights.watched_resources}
        wanted = {(kind.group, kind.version, kind.plural) for kind in self.kinds}
        return {group for group, _, _ in wanted - watched}

    async def _scan(self, group: str) -> None:
        event = RawEvent(type="MODIFIED", object=RawBody(spec={"group": group}))
        await process_discovered_resource_event(
            raw_event=event, settings=self.settings, registry=self.registry, insights=self.insights
        )
