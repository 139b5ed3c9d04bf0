"""Whether the database answers, asked on a connection of its own.

Its own, because a busy pool is no reason to take a pod out of service: that would send its load to the next
one.

A database that answers but has lost our tables (a schema dropped by hand, a server restored empty) is no outage: agno
would go on and store nothing. The process then counts as dead, and its successor makes the tables before it serves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

from agentos_runtime.database.engine import bounded_connection
from agentos_runtime.settings import DatabaseSettings

_QUESTION = "SELECT to_regclass(%s) IS NOT NULL, current_setting('transaction_read_only')"
"""A server that takes no writes, such as a standby after a failover, keeps no run: it counts as away."""
Ping = Callable[[], Awaitable[None]]
"""Returns where the database answers, raises where it does not."""


class TablesGone(Exception):
    """The database answers, and the tables that this process made or found are not there any more."""


class Health:
    """The last answer, asked for again when it is older than a second; one question at a time."""

    def __init__(self, ping: Ping, prepared: Callable[[], bool], fresh_seconds: float = 1.0) -> None:
        self._ping = ping
        self._prepared = prepared
        self._fresh_seconds = fresh_seconds
        self._asked_at = float("-inf")
        self._answers = False
        self._lost = False
        self._asking: asyncio.Task[None] | None = None

    async def answers(self) -> bool:
        """Whether the schema is ready and the database has answered within the last second, or does now."""
        if not self._prepared():
            return False
        if time.monotonic() - self._asked_at >= self._fresh_seconds:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
            await asyncio.shield(self._asking)
        return self._answers

    @property
    def is_lost(self) -> bool:
        """Whether only a restart can help."""
        return self._lost

    def doubt(self) -> None:
        """A statement failed: the next request asks again instead of trusting the last answer."""
        self._asked_at = float("-inf")

    async def _ask(self) -> None:
        try:
            await self._ping()
        except TablesGone:
            self._lost, self._answers = True, False
        except Exception:
            self._answers = False
        else:
            self._answers = True
        self._asked_at = time.monotonic()


def postgres_ping(settings: DatabaseSettings) -> Ping:
    """Looks for a table of ours, on one connection that is opened on demand and kept."""
    return _Ping(settings).ping


class _Ping:
    """The connection behind a ping."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._table = f"{settings.schema}.agno_sessions"
        self._class = bounded_connection(settings.probe_seconds)
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def ping(self) -> None:
        """Ask; a connection that was cut meanwhile is no news of the database, so a new one decides."""
        kept, self._connection = self._connection, None
        if kept is None or not await self._asked(kept):
            kept = await self._class.connect(
                self._settings.url, autocommit=True, connect_timeout=int(self._settings.probe_seconds)
            )
            if not await self._asked(kept):
                raise psycopg.OperationalError("the database does not answer")
        self._connection = kept

    async def _asked(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        try:
            found = await connection.execute(_QUESTION, [self._table])
            row = await found.fetchone()
        except psycopg.Error:
            connection.pgconn.finish()
            return False
        there, read_only = row or (False, "on")
        if read_only == "on":
            connection.pgconn.finish()
            return False
        if not there:
            connection.pgconn.finish()
            raise TablesGone
        return True


async def always() -> None:
    """The ping of a laptop's file."""
