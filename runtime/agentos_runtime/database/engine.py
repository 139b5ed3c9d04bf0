"""The engine under agno's database class, bounded everywhere: connecting, waiting for a free connection, a
statement. agno would build its own with none of these bounds, and name the database after a URL with a
password.
"""

from __future__ import annotations

import select
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from agno.db.base import AsyncBaseDb
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import event
from sqlalchemy.engine import AdaptedConnection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from agentos_runtime.database.checkpoints import keeping_checkpoints
from agentos_runtime.settings import DatabaseSettings

DATABASE_ID = "workspace"
"""agno stores it with sessions; it must not change when a password rotates."""
_T = TypeVar("_T")


def bounded_connection(seconds: float) -> type[psycopg.AsyncConnection[Any]]:
    """A connection class that gives up on a server that is there but does not answer.

    statement_timeout is enforced by the server and so is no help when it hangs.
    """

    class Bounded(psycopg.AsyncConnection[Any]):
        async def wait(self, gen: PQGen[_T], *args: Any, **kwargs: Any) -> _T:
            kwargs["timeout"] = min(kwargs.get("timeout") or seconds, seconds)
            try:
                return await super().wait(gen, *args, **kwargs)
            except psycopg.OperationalError:
                # Given up in the middle of an answer: nothing else can be asked on this connection.
                if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                    self.pgconn.finish()
                raise

    return Bounded


def create_engine(settings: DatabaseSettings) -> AsyncEngine:
    """The pool of one process."""
    if settings.is_sqlite:
        return create_async_engine(make_url(settings.url).set(drivername="sqlite+aiosqlite"))
    engine = create_async_engine(
        make_url(settings.url).set(drivername="postgresql+psycopg"),
        pool_size=settings.pool_size,
        max_overflow=settings.pool_size,
        pool_timeout=settings.connect_seconds,
        pool_recycle=3600,
        hide_parameters=True,
        connect_args={
            "connect_timeout": settings.connect_seconds,
            "async_creator_fn": bounded_connection(settings.statement_seconds).connect,
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_cut_connection)
    if settings.events_of:
        event.listen(engine.sync_engine, "connect", partial(_name_deployment, settings.events_of))
    return engine


def _name_deployment(deployment: str, connection: DBAPIConnection, _: object) -> None:
    """Tell the triggers of the outbox whose runs are written; once for each connection of the pool."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT set_config('agentos.deployment', %s, false)", (deployment,))
    connection.commit()


def _refuse_cut_connection(connection: AdaptedConnection, *_: object) -> None:
    """Have the pool open another connection in place of one that the server has closed.

    Nobody asked it anything, so whatever there is to read is its end. `pool_pre_ping` finds the same by a question to
    the server at every checkout, which is most of what a run would cost over plain agno.
    """
    idle = select.poll()
    idle.register(connection.driver_connection.pgconn.socket, select.POLLIN)
    if idle.poll(0):
        raise DisconnectionError


def create_database(settings: DatabaseSettings, engine: AsyncEngine) -> AsyncBaseDb:
    """agno's database over our engine."""
    if settings.is_sqlite:
        from agno.db.sqlite import AsyncSqliteDb  # noqa: PLC0415 - a laptop's driver, never loaded in a pod

        Path(make_url(settings.url).database or ".").parent.mkdir(parents=True, exist_ok=True)
        return keeping_checkpoints(AsyncSqliteDb)(db_engine=engine, id=DATABASE_ID)
    from agno.db.postgres import AsyncPostgresDb  # noqa: PLC0415 - and this one never on a laptop

    database = keeping_checkpoints(AsyncPostgresDb)
    return database(db_engine=engine, db_schema=settings.schema, create_schema=False, id=DATABASE_ID)
