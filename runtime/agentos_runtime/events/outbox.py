"""The outbox as its reader sees it, on one connection of its own: a busy pool delays no event, and no event a run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import sql

from agentos_runtime.database.engine import bounded_connection
from agentos_runtime.database.outbox import PUBLISHERS, TABLE
from agentos_runtime.events.envelope import Event
from agentos_runtime.settings import DatabaseSettings

Row = tuple[int, Event]
_FORGOTTEN = "7 days"
"""After so long, events of a deployment that nobody publishes any more are removed."""


class Outbox:
    """What one deployment has still to publish."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._class = bounded_connection(settings.statement_seconds)
        self._connection: psycopg.AsyncConnection[Any] | None = None
        names = {"events": sql.Identifier(settings.schema, TABLE), "turn": sql.Identifier(settings.schema, PUBLISHERS)}
        self._sql = {name: sql.SQL(text).format(**names) for name, text in _STATEMENTS.items()}

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """A transaction in which no other replica publishes; False where another one does just now."""
        connection = await self._connected()
        async with connection.transaction():
            found = await connection.execute(self._sql["turn"], [self._settings.events_of])
            yield await found.fetchone() is not None

    async def oldest(self, most: int) -> list[Row]:
        """The next rows, in the order in which they are to be published."""
        rows = await self._execute("oldest", self._settings.events_of, most)
        return [(id_, Event(str(event_id), type_, at, data)) for id_, event_id, type_, at, data in rows]

    async def remove(self, ids: Sequence[int]) -> None:
        """Forget what has been published."""
        await self._execute("remove", list(ids))

    async def trim(self, most: int) -> int:
        """Where there are more than `most`, drop the oldest tenth and the surplus, and leave word of how many went."""
        mine = self._settings.events_of
        await self._execute("forget", _FORGOTTEN)
        if not await self._execute("id_at", mine, most):
            return 0
        dropped = len(await self._execute("trim", mine, mine, most * 9 // 10))
        await self._execute("tell", mine, json.dumps({"count": dropped}))
        return dropped

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _execute(self, name: str, *values: object) -> list[Any]:
        cursor = await (await self._connected()).execute(self._sql[name], values)
        return await cursor.fetchall() if cursor.description else []

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await self._class.connect(
                self._settings.url, autocommit=True, connect_timeout=self._settings.connect_seconds
            )
            await self._connection.execute(self._sql["enrol"], [self._settings.events_of])
        return self._connection


_STATEMENTS = {
    "enrol": "INSERT INTO {turn} VALUES (%s) ON CONFLICT DO NOTHING",
    "turn": "SELECT 1 FROM {turn} WHERE deployment = %s FOR UPDATE SKIP LOCKED",
    "oldest": "SELECT id, event_id, type, at, data FROM {events} WHERE deployment = %s ORDER BY id LIMIT %s",
    "remove": "DELETE FROM {events} WHERE id = ANY(%s)",
    "id_at": "SELECT id FROM {events} WHERE deployment = %s ORDER BY id DESC OFFSET %s LIMIT 1",
    "trim": "DELETE FROM {events} WHERE deployment = %s AND id <="
    " (SELECT id FROM {events} WHERE deployment = %s ORDER BY id DESC OFFSET %s LIMIT 1) RETURNING 1",
    "tell": "INSERT INTO {events} (event_id, deployment, type, at, data)"
    " VALUES (gen_random_uuid(), %s, 'events.dropped', now(), %s)",
    "forget": "DELETE FROM {events} WHERE at < now() - %s::interval",
}
