"""The events of runs for whoever follows them on any replica: agno's Redis stream, which ends where it is broken.

agno takes an outage for a pause: its followers wait for ever, and a run whose last word was lost counts as running for
ever. Here a follower is told, and a run that lost an event has no stream any more: a request to resume it gets what the
database has.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

from agno.os.event_streams.redis import RedisEventStream
from agno.run.base import RunStatus
from redis.exceptions import RedisError

from agentos_runtime.coordination.clients import Clients
from agentos_runtime.coordination.guard import FAILURES

_LOG = logging.getLogger("agentos.redis")
_BLOCK_MS = 500
"""How long a follower waits for Redis at a time; below the timeout of every command."""
_REFUSED = -1
"""As agno has it: the event has no place in the stream."""


class BrokenStreamError(RedisError):
    """There is nothing more to follow, and the run has not ended by it."""

    def __init__(self) -> None:
        super().__init__("the events of this run are no longer kept; read the run")


class SharedEvents(RedisEventStream):
    """One process's view of the streams of all runs."""

    def __init__(self, clients: Clients, prefix: str) -> None:
        super().__init__(clients.client, key_prefix=prefix, block_ms=_BLOCK_MS)
        self._probe = clients.probe
        self._broken: dict[str, bool] = {}
        """Runs of this process that lost an event, and whether they have ended."""

    async def add_event(self, run_id: str, event: Any, generation: int | None = None) -> int:
        """Append an event, unless one before it is missing."""
        if run_id in self._broken:
            return _REFUSED
        try:
            return await super().add_event(run_id, event, generation)
        except FAILURES:
            self._broken[run_id] = False
            _LOG.warning("the stream of run %s is broken off; the run goes on", run_id)
            return _REFUSED

    async def complete_run(self, run_id: str, status: RunStatus, generation: int | None = None) -> None:
        """Tell that a run ended; where that is not possible, leave no stream that seems to go on."""
        if run_id not in self._broken:
            try:
                await super().complete_run(run_id, status, generation)
            except FAILURES:
                self._broken[run_id] = True
            else:
                return
        self._broken[run_id] = True
        try:
            await self.cleanup_run(run_id)
        except FAILURES:
            return  # `mend` will
        self._broken.pop(run_id, None)

    async def tail(self, run_id: str, last_event_index: int | None = None) -> AsyncIterator[tuple[int, str]]:
        """Follow a run; raises where its stream ends and the run does not."""
        async for item in super().tail(run_id, last_event_index):
            yield item
        if await self.get_run_status(run_id) is None:
            raise BrokenStreamError

    async def mend(self) -> None:
        """Remove the broken streams from a Redis that can be used again."""
        for run_id in list(self._broken):
            keys = (self._stream_key, self._status_key, self._counter_key, self._gen_key)
            await self._probe.delete(*(key(run_id) for key in keys))
            if self._broken[run_id]:
                del self._broken[run_id]
