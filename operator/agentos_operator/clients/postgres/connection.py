"""Connections of the operator to one server: few, reused, bounded in time; used by ``server`` alone.

psycopg_pool would bring background tasks and a second way for errors to surface. All that is needed here is
a bound on concurrency and a retry on a connection that died while it lay idle.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from agentos_operator.clients.postgres.errors import (
    DatabaseError,
    DatabaseUnavailable,
    connection_failure,
    statement_failure,
)
from agentos_operator.clients.postgres.settings import ServerSettings, admin_credentials

T = TypeVar("T")
Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]
MayWrite = Callable[[], bool]
"""Whether this replica leads at this moment."""

_MAX_AGE_SECONDS = 900.0
_ATTEMPTS = 3
_LOST_RACES = ("42710", "42P04", "42P06", "23505", "40001", "40P01", "42704", "3F000", "XX000")
"""Two operators wrote the same object, or crossed locks: looking again and planning anew settles it."""
_GRACE_SECONDS = 2
_STATEMENTS_PER_TIMEOUT = 20


class Session:
    """Statements on one connection, each with a deadline on our side of the wire too."""

    def __init__(self, connection: Connection, settings: ServerSettings, may_write: MayWrite) -> None:
        self._connection = connection
        self._may_write = may_write
        self._timeout = settings.statement_timeout
        self._born = time.monotonic()
        self._used = False
        self.hung = False
        """Whether a deadline has passed without an answer."""
        self.reads = 0
        """Queries sent on behalf of the current operation."""
        self.writes = 0
        """Statements sent on behalf of the current operation that change something."""

    def begin(self) -> bool:
        """Start an operation: counters at zero; whether an earlier one used this connection."""
        used, self._used = self._used, True
        self.reads = self.writes = 0
        return used

    async def fetch(self, query: LiteralString, parameters: dict[str, Any] | None = None) -> list[Row]:
        """Rows of one query; prepared by psycopg once it has been used a few times."""
        self.reads += 1
        with self._deadline(1):
            return await (await self._connection.execute(query, parameters)).fetchall()

    async def apply(self, statements: Sequence[sql.Composable]) -> None:
        """Send all ``statements`` in one message, which PostgreSQL runs as one transaction.

        https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
        """
        if statements and not self._may_write():
            raise DatabaseUnavailable("nothing was sent to PostgreSQL, because another replica may lead by now")
        if statements:
            with self._deadline(len(statements)):
                await self._connection.execute(sql.SQL(";\n").join(statements), prepare=False)
            self.writes += len(statements)

    @property
    def usable(self) -> bool:
        """Whether the connection can serve another operation."""
        young = time.monotonic() - self._born < _MAX_AGE_SECONDS
        return young and self._connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

    async def close(self) -> None:
        """Close the connection, whatever state it is in."""
        await self._connection.close()

    @contextmanager
    def _deadline(self, statements: int) -> Iterator[None]:
        """PostgreSQL applies ``statement_timeout`` to each statement of a message; this bounds all of them."""
        seconds = self._timeout * max(1.0, statements / _STATEMENTS_PER_TIMEOUT) + _GRACE_SECONDS
        timer = asyncio.get_running_loop().call_later(seconds, self._hang_up)
        try:
            yield
        finally:
            timer.cancel()

    def _hang_up(self) -> None:
        """Shut the socket, which psycopg notices at once; cancelling the task would first wait for an answer."""
        self.hung = True
        with socket.socket(fileno=os.dup(self._connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


class Connections:
    """At most ``max_connections`` sessions, handed out to one operation at a time.

    With ``slots`` the bound is shared with others; without ``keep`` a session ends with its operation. ``may_write`` is
    asked before each write.
    """

    def __init__(
        self,
        settings: ServerSettings,
        may_write: MayWrite,
        slots: asyncio.Semaphore | None = None,
        *,
        keep: bool = True,
    ) -> None:
        self._settings = settings
        self._may_write = may_write
        self._idle: list[Session] = []
        self._slots = slots or asyncio.Semaphore(settings.max_connections)
        self._keep = keep

    async def run(self, operation: Callable[[Session], Awaitable[T]]) -> T:
        """Result of ``operation``, which is idempotent: it may be started again on another connection.

        The error is raised outside of the ``except`` block: not even its ``__context__`` holds psycopg's.
        """
        async with self._slots:
            for attempt in range(_ATTEMPTS):
                session = await self._session()
                reused = session.begin()
                try:
                    return await operation(session)
                except psycopg.Error as error:
                    failure = statement_failure(self._settings.name, error)
                    again = (reused and _connection_lost(error)) or error.sqlstate in _LOST_RACES
                    if session.hung:
                        failure = DatabaseUnavailable(f"PostgreSQL server {self._settings.name} does not answer")
                        again = False
                finally:
                    await self._give_back(session)
                if not again or attempt == _ATTEMPTS - 1:
                    raise failure
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._idle.pop().close()

    async def _session(self) -> Session:
        while self._idle:
            session = self._idle.pop()
            if session.usable:
                return session
            await session.close()
        user, password = admin_credentials(self._settings)
        return Session(await connect(self._settings, user, password), self._settings, self._may_write)

    async def _give_back(self, session: Session) -> None:
        if self._keep and session.usable:
            self._idle.append(session)
        else:
            await session.close()


async def connect(settings: ServerSettings, user: str, password: str) -> Connection:
    """A connection that commits each message, ignores tenants' schemas and never waits for ever."""
    failure: DatabaseError
    try:
        async with asyncio.timeout(settings.connect_timeout + _GRACE_SECONDS):
            return await psycopg.AsyncConnection.connect(
                host=settings.host,
                port=settings.port,
                dbname=settings.database,
                user=user,
                password=password,
                sslmode=settings.sslmode,
                sslrootcert=str(settings.ca_file) if settings.ca_file else None,
                connect_timeout=settings.connect_timeout,
                application_name="agentos-operator",
                options=_options(settings),
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
                tcp_user_timeout=settings.statement_timeout * 1000,
                autocommit=True,
                row_factory=dict_row,
            )
    except psycopg.Error as error:
        failure = connection_failure(settings.name, settings.address, error)
    except TimeoutError:
        failure = connection_failure(settings.name, settings.address, TimeoutError("connection timeout expired"))
    raise failure


def _options(settings: ServerSettings) -> str:
    """Settings of every session (https://www.postgresql.org/docs/current/runtime-config-client.html)."""
    values = {
        "statement_timeout": f"{settings.statement_timeout}s",
        "lock_timeout": f"{settings.lock_timeout}s",
        "idle_in_transaction_session_timeout": "60s",
        "search_path": "pg_catalog",
        "client_min_messages": "warning",
        "standard_conforming_strings": "on",
    }
    return " ".join(f"-c {name}={value}" for name, value in values.items())


def _connection_lost(error: psycopg.Error) -> bool:
    return error.sqlstate is None or error.sqlstate.startswith(("57P", "08"))
