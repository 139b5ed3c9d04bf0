"""All that a deployment with a Redis does with it. Called by `create_app`, which imports nothing of it otherwise."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from agentos_runtime.asgi import App
from agentos_runtime.coordination.clients import connect
from agentos_runtime.coordination.requests import Cancellations
from agentos_runtime.coordination.share import SharedRuns, share_runs
from agentos_runtime.events.publisher import Publisher
from agentos_runtime.settings import Settings

_LOG = logging.getLogger("agentos.redis")


@dataclass(frozen=True)
class Shared:
    """What runs beside the requests."""

    runs: SharedRuns
    publisher: Publisher | None
    """None on a laptop, whose database has no outbox."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def around(self, app: App) -> App:
        """The application, with cancellation that reaches other replicas."""
        return Cancellations(app, self.runs.cancellation)

    def start(self) -> None:
        """Begin; it ends with the event loop."""
        self._begin(self.runs.watch())
        if self.publisher:
            self._begin(self.publisher.run())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """It ends with the process, or by a mistake of ours that somebody has to hear of."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _LOG.error("the work on Redis has ended", exc_info=error)


def share(settings: Settings, engine: AsyncEngine) -> Shared:
    """Set up everything; nothing is opened yet."""
    if settings.redis is None:
        raise ValueError("settings without Redis")
    clients = connect(settings.redis)
    publisher = None
    if settings.database.events_of:
        publisher = Publisher(settings, clients, settings.redis.events_max_length)
        event.listen(engine.sync_engine, "commit", publisher.wake)
    return Shared(share_runs(settings, clients), publisher)
