"""The database that goes away under a request, takes no writes, or takes no more connections.

Down, hung and back, at the start and in between, are in `test_runtime_database.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from psycopg import sql

from agentos_runtime.database.migrate import migrate
from agentos_runtime.settings import DatabaseSettings

RUNS = "/agents/support/runs"
FORM = {"message": "Hello", "stream": "false"}


def assert_away(response: httpx.Response, database: Any) -> None:
    """A problem document that says when to come back, and nothing of the connection."""
    assert response.status_code == 503, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) > 0
    assert_silent(response.text, database)


def assert_silent(text: str, database: Any) -> None:
    for hidden in (database.schema, str(database.port), "planted", "psycopg", "postgres"):
        assert hidden not in text


@contextmanager
def stopped(server: Any) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def read_only(server: Any) -> Iterator[None]:
    """As a provider does when the disk is full, or as a standby is; sessions that are open follow at once."""
    with server.connect() as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        with server.connect() as connection:
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def no_connection_left(server: Any, role: str) -> Iterator[None]:
    """Nobody gets another connection for the role, and those it had are gone."""
    limit = sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}")
    with server.connect() as connection:
        connection.execute(limit.format(sql.Identifier(role), 0))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role])
    try:
        yield
    finally:
        with server.connect() as connection:
            connection.execute(limit.format(sql.Identifier(role), -1))


def kept(database: Any, session: str) -> bool:
    return bool(database.rows(f"SELECT 1 FROM agno_sessions WHERE session_id = '{session}'"))


def test_a_run_that_loses_its_database_is_503_and_not_a_success(
    runtime: Any, client: httpx.Client, database: Any, postgres: Any
) -> None:
    assert client.post(RUNS, data=FORM).status_code == 200
    with ThreadPoolExecutor(1) as pool, stopped_under(pool, client, postgres) as answer:
        assert_away(answer.result(60), database)
    runtime.wait_until("/readyz")
    answered = client.post(RUNS, data=FORM)
    assert kept(database, answered.json()["session_id"])


@contextmanager
def stopped_under(pool: ThreadPoolExecutor, client: httpx.Client, server: Any) -> Iterator[Any]:
    """A run whose model thinks for three seconds, and a server that is stopped before it has answered."""
    answer = pool.submit(client.post, RUNS, data={**FORM, "message": "think 3 x", "session_id": "under"})
    began = time.monotonic()
    with stopped(server):
        assert time.monotonic() - began < 3
        yield answer


def test_a_stream_that_loses_its_database_ends_with_an_error_event(
    runtime: Any, client: httpx.Client, database: Any, postgres: Any
) -> None:
    with client.stream("POST", RUNS, data={"message": "think 3 x", "stream": "true"}) as response:
        lines = response.iter_lines()
        next(lines)
        with stopped(postgres):
            rest = list(lines)
    last = json.loads(next(line[6:] for line in reversed(rest) if line.startswith("data: ")))
    assert (last["event"], last["status"]) == ("RunError", 503)
    assert last["request_id"] == response.headers["x-request-id"]
    assert_silent(rest[-2], database)
    runtime.wait_until("/readyz")


def test_a_database_that_takes_no_writes_is_away_until_it_takes_them_again(
    runtime: Any, client: httpx.Client, database: Any, postgres: Any
) -> None:
    assert client.post(RUNS, data=FORM).status_code == 200
    with read_only(postgres):
        runtime.wait_until("/readyz", 503)
        assert_away(client.post(RUNS, data=FORM), database)
        assert_away(client.get("/sessions"), database)
        assert client.get("/livez").status_code == 200
    runtime.wait_until("/readyz")
    assert kept(database, client.post(RUNS, data=FORM).json()["session_id"])


def test_a_run_whose_database_stops_taking_writes_is_503(
    runtime: Any, client: httpx.Client, database: Any, postgres: Any
) -> None:
    assert client.post(RUNS, data=FORM).status_code == 200
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.post, RUNS, data={**FORM, "message": "think 3 x", "session_id": "read-only"})
        began = time.monotonic()
        with read_only(postgres):
            assert time.monotonic() - began < 3
            assert_away(answer.result(60), database)
    assert not kept(database, "read-only")
    runtime.wait_until("/readyz")


def test_a_role_without_a_connection_left_is_away_until_there_is_one(
    runtime: Any, client: httpx.Client, database: Any, postgres: Any
) -> None:
    assert client.post(RUNS, data=FORM).status_code == 200
    with no_connection_left(postgres, database.schema):
        runtime.wait_until("/readyz", 503)
        began = time.monotonic()
        assert_away(client.post(RUNS, data=FORM), database)
        assert time.monotonic() - began < 10
    runtime.wait_until("/readyz")
    assert client.post(RUNS, data=FORM).status_code == 200


@pytest.mark.parametrize("trouble", ["read only", "without a connection left"])
def test_a_runtime_started_on_such_a_database_waits_for_it(
    start: Callable[..., Any], database: Any, postgres: Any, trouble: str
) -> None:
    database.execute(f"DROP OWNED BY {database.schema} CASCADE")
    bad = read_only(postgres) if trouble == "read only" else no_connection_left(postgres, database.schema)
    with bad:
        process = start()
        process.wait_until("/livez")
        process.wait_until("/readyz", 503)
        assert process.process.poll() is None
    process.wait_until("/readyz")
    migrate(DatabaseSettings(database.url, database.schema))
