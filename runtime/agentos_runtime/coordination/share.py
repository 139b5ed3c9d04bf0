"""Gives agno what it needs for several replicas to behave as one. Called before AgentOS is built."""

from __future__ import annotations

from dataclasses import dataclass

from agno.os.event_streams import set_event_stream
from agno.run.cancel import set_cancellation_manager

from agentos_runtime.coordination.cancellation import SharedCancellation
from agentos_runtime.coordination.clients import Clients
from agentos_runtime.coordination.events import SharedEvents
from agentos_runtime.settings import Settings

_ALIVE_SECONDS = 60


@dataclass(frozen=True)
class SharedRuns:
    """What replicas know of each other's runs, under keys of this deployment alone."""

    clients: Clients
    prefix: str
    cancellation: SharedCancellation
    events: SharedEvents

    async def watch(self) -> None:
        """Know when Redis can be used and when not, until cancelled."""
        await self.clients.guard.watch(self._write, self.events.mend)

    async def _write(self) -> None:
        await self.clients.probe.set(f"{self.prefix}:alive", "1", ex=_ALIVE_SECONDS)


def share_runs(settings: Settings, clients: Clients) -> SharedRuns:
    """Cancellation and the streams of runs, for the whole process.

    What agno's QueueConfig(redis=...) wires, with clients that give up in time.
    """
    prefix = f"agentos:{settings.workspace}:{settings.deployment}"
    runs = SharedRuns(
        clients=clients,
        prefix=prefix,
        cancellation=SharedCancellation(clients, f"{prefix}:cancelled:"),
        events=SharedEvents(clients, f"{prefix}:runs:"),
    )
    set_cancellation_manager(runs.cancellation)
    set_event_stream(runs.events)
    return runs
