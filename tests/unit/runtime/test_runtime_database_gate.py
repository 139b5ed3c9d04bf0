"""Readiness and the gate: no wrong answer while the database is away, and no crowd of questions either."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

from agentos_runtime.database.gate import DatabaseGate, _is_away, watch
from agentos_runtime.database.health import Health


class Database:
    """Answers as told, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def ping(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise OSError

    def health(self, fresh_seconds: float = 3600, *, prepared: bool = True) -> Health:
        return Health(self.ping, prepared=lambda: prepared, fresh_seconds=fresh_seconds)


async def test_an_answer_is_good_for_a_while() -> None:
    database = Database()
    health = database.health()
    assert [await health.answers() for _ in range(5)] == [True] * 5
    assert database.asked == 1


async def test_a_crowd_asks_once() -> None:
    database = Database()
    health = database.health(fresh_seconds=0)
    assert all(await asyncio.gather(*(health.answers() for _ in range(20))))
    assert database.asked == 1


async def test_an_old_answer_is_asked_for_again() -> None:
    database = Database()
    health = database.health(fresh_seconds=0)
    assert await health.answers()
    database.away = True
    assert not await health.answers()
    database.away = False
    assert await health.answers()


async def test_a_failed_statement_makes_the_next_request_ask_again() -> None:
    database = Database()
    health = database.health()
    assert await health.answers()
    database.away = True
    health.doubt()
    assert not await health.answers()


async def test_a_schema_that_is_not_ready_is_not_asked() -> None:
    database = Database()
    assert not await database.health(prepared=False).answers()
    assert database.asked == 0


async def test_a_caller_who_leaves_does_not_take_the_question_along() -> None:
    database = Database()
    health = database.health()
    leaving = asyncio.create_task(health.answers())
    staying = asyncio.create_task(health.answers())
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying


async def through(app: Any, health: Health, path: str = "/agents") -> tuple[int, bytes]:
    """Status and body of a request through the gate."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await DatabaseGate(app, health, frozenset({"/health"}))({"type": "http", "path": path}, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


async def fine(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


async def test_while_the_database_is_away_a_request_is_503_and_healths_are_not() -> None:
    database = Database()
    database.away = True
    assert (await through(fine, database.health()))[0] == 503
    assert await through(fine, database.health(), "/health") == (200, b"fine")


async def test_an_answer_made_without_the_database_is_not_sent() -> None:
    """agno logs the error of a lost connection and answers 200; nothing of that run would be kept."""
    engine = create_async_engine("postgresql+psycopg://u:planted@127.0.0.1:1/nowhere")
    database = Database()
    health = database.health()
    watch(engine, health)

    async def careless(scope: Any, receive: Any, send: Any) -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def agno(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(OperationalError):
            await asyncio.create_task(careless(scope, receive, send))
        await fine(scope, receive, send)

    status, body = await through(agno, health)
    assert status == 503
    assert b"fine" not in body
    assert b"nowhere" not in body
    assert (await through(fine, health))[0] == 200
    assert database.asked == 2
    await engine.dispose()


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (OperationalError("SELECT 1", {}, psycopg.OperationalError("connection refused")), True),
        (OperationalError("SELECT 1", {}, psycopg.errors.QueryCanceled("statement timeout")), True),
        (InterfaceError("SELECT 1", {}, psycopg.InterfaceError("the connection is closed")), True),
        (PoolTimeout("QueuePool limit"), True),
        (ProgrammingError("SELEC", {}, psycopg.errors.SyntaxError("syntax error")), False),
        (IntegrityError("INSERT", {}, psycopg.errors.UniqueViolation("duplicate key")), False),
    ],
    ids=[
        "refused",
        "timed out",
        "closed",
        "pool exhausted",
        "wrong statement",
        "duplicate",
    ],
)
def test_only_a_database_that_is_away_counts_as_away(error: Any, away: bool) -> None:
    context: Any = SimpleNamespace(sqlalchemy_exception=error, original_exception=error, is_disconnect=False)
    assert _is_away(context) is away
