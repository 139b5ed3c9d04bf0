"""Hands the outbox over to the Redis Stream, for as long as the process serves.

Rows are removed in the transaction that found them, after Redis has taken them: a process that ends between leaves them
to the next one, which publishes them a second time under the same id.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import psycopg
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from agentos_runtime.coordination.clients import Clients
from agentos_runtime.coordination.guard import FAILURES
from agentos_runtime.events.envelope import encode
from agentos_runtime.events.outbox import Outbox, Row
from agentos_runtime.settings import Settings

_LOG = logging.getLogger("agentos.events")
_BATCH = 100
_GATHER_SECONDS = 0.05
"""After a commit, so that its events are there to be read, and others with them."""
_LOOK_SECONDS = 5.0
"""How often a replica looks for what others left."""
_RETRY_SECONDS = 1.0


def stream_of(workspace: str) -> str:
    """The stream's key: one for each workspace, which an ACL of Redis can keep apart."""
    return f"agentos:{workspace}:events"


class Publisher:
    """One replica's part in publishing."""

    def __init__(self, settings: Settings, clients: Clients, max_length: int) -> None:
        self._settings = settings
        self._guard = clients.guard
        self._redis: Redis = clients.client
        self._max_length = max_length
        self._outbox = Outbox(settings.database)
        self._woken = asyncio.Event()
        self._complaint = ""

    def wake(self, *_: object) -> None:
        """Something was committed: look soon. A listener of the engine's commits."""
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        try:
            while True:
                seconds = await self._round()
                if seconds:
                    await self._rest(seconds)
        finally:
            await self._outbox.close()

    async def _round(self) -> float:
        """One batch; for how long there is nothing to do then."""
        try:
            self._guard.check()
            more = await self._publish()
        except FAILURES as error:
            self._complain(error)
            await self._keep_bounded()
            return _RETRY_SECONDS
        except psycopg.Error as error:
            self._complain(error)
            return _RETRY_SECONDS
        self._complain(None)
        return 0 if more else _LOOK_SECONDS

    async def _publish(self) -> bool:
        """Whether more is waiting."""
        async with self._outbox.turn() as mine:
            rows = await self._outbox.oldest(_BATCH) if mine else []
            taken, refusal = await self._hand_over(rows) if rows else (0, None)
            if taken:
                await self._outbox.remove([id_ for id_, _ in rows[:taken]])
        if refusal:
            raise refusal
        return taken == _BATCH

    async def _keep_bounded(self) -> None:
        """More than the stream would keep need not wait for it."""
        try:
            async with self._outbox.turn() as mine:
                dropped = await self._outbox.trim(self._max_length) if mine else 0
        except psycopg.Error as error:
            self._complain(error)
            return
        if dropped:
            _LOG.warning("dropped %d events that Redis could not be given", dropped)

    async def _hand_over(self, rows: list[Row]) -> tuple[int, Exception | None]:
        """How many of them Redis took, from the first on, and why not the next."""
        pipeline = self._redis.pipeline(transaction=False)
        for _, event in rows:
            fields: Any = encode(event, self._settings.workspace, self._settings.deployment)
            pipeline.xadd(stream_of(self._settings.workspace), fields, maxlen=self._max_length, approximate=True)
        answers = await pipeline.execute(raise_on_error=False)
        for count, answer in enumerate(answers):
            if isinstance(answer, Exception):
                return count, answer
        return len(answers), None

    async def _rest(self, seconds: float) -> None:
        """Until woken, or for so long; while something is wrong, nobody wakes."""
        if seconds == _RETRY_SECONDS:
            await asyncio.sleep(seconds)
            return
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return
        await asyncio.sleep(_GATHER_SECONDS)
        self._woken.clear()

    def _complain(self, error: Exception | None) -> None:
        """Once for each thing that goes wrong, and once when nothing does any more."""
        what = _name(error) if error else ""
        if what == self._complaint:
            return
        self._complaint = what
        if what:
            _LOG.warning("events wait in the database: %s", what)
        else:
            _LOG.info("events are published again")


def _name(error: Exception) -> str:
    """What went wrong: Redis' own word for it, where it has one, and never more of what it says."""
    said = str(error).partition(" ")[0]
    return said if isinstance(error, ResponseError) and said.isupper() else type(error).__name__
