"""The database down, hung and back, at the start and in between; and several replicas at its door at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from agentos_runtime.database.migrate import migrate
from agentos_runtime.settings import DatabaseSettings
from tests.integration.apiserver import eventually

FORM = {"message": "Hello", "stream": "false"}


def run(client: httpx.Client) -> httpx.Response:
    return client.post("/agents/support/runs", data=FORM)


def assert_away(response: httpx.Response, database: Any) -> None:
    """A problem document that names nothing of the connection."""
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"]
    for hidden in (database.schema, str(database.port), "planted", "psycopg", "postgres"):
        assert hidden not in response.text


@contextmanager
def frozen(server: Any) -> Iterator[None]:
    """The server's processes stopped in their tracks: connections stand, nothing answers."""
    with server.connect() as connection:
        pids = [row[0] for row in connection.execute("SELECT pid FROM pg_stat_activity").fetchall()]
    children = {*pids, *children_of(server.process.pid)}
    for pid in children:
        signal_to(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in children:
            signal_to(pid, signal.SIGCONT)


def children_of(pid: int) -> set[int]:
    """A process and all below it; a backend may end between being listed and being looked at."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return {pid}.union(*(children_of(int(child)) for child in listed))


def signal_to(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def test_a_stopped_database_is_503_and_heals(runtime: Any, client: httpx.Client, database: Any, postgres: Any) -> None:
    assert run(client).status_code == 200
    postgres.stop()
    try:
        assert_away(run(client), database)
        assert_away(client.get("/sessions"), database)
        runtime.wait_until("/readyz", 503)
        assert client.get("/health").status_code == 200
        assert client.get("/livez").status_code == 200
    finally:
        postgres.start()
    runtime.wait_until("/readyz")
    answer = run(client)
    assert answer.status_code == 200
    session = answer.json()["session_id"]
    assert database.rows(f"SELECT 1 FROM agno_sessions WHERE session_id = '{session}'") == [(1,)]


def test_a_hung_database_is_503_in_bounded_time_and_heals(
    runtime: Any, client: httpx.Client, database: Any, postgres: Any
) -> None:
    assert run(client).status_code == 200
    with frozen(postgres):
        runtime.wait_until("/readyz", 503)
        assert_away(run(client), database)
        assert client.get("/livez").status_code == 200
    runtime.wait_until("/readyz")
    assert run(client).status_code == 200


def test_connections_cut_by_the_server_are_replaced(client: httpx.Client, database: Any, postgres: Any) -> None:
    assert run(client).status_code == 200
    with postgres.connect() as connection:
        cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = %s"
        (count,) = connection.execute(cut, [database.schema]).fetchone()
    assert count > 0
    assert run(client).status_code == 200


def test_a_runtime_started_without_a_database_waits_for_it(
    start: Callable[..., Any], postgres: Any, token: Callable[..., str], database: Any
) -> None:
    postgres.stop()
    try:
        process = start()
        process.wait_until("/livez")
        process.wait_until("/readyz", 503)
        headers = {"Authorization": f"Bearer {token()}"}
        assert_away(httpx.get(process.url + "/agents", headers=headers), database)
    finally:
        postgres.start()
    process.wait_until("/readyz")
    assert httpx.get(process.url + "/agents", headers=headers, timeout=30).status_code == 200


def test_two_replicas_on_an_empty_schema_both_become_ready(start: Callable[..., Any], database: Any) -> None:
    clear(database)
    replicas = [start(), start()]
    for replica in replicas:
        replica.wait_until("/readyz")
    assert sum('"migrated"' in replica.output for replica in replicas) == 1


def test_many_replicas_migrate_an_empty_schema_once(database: Any) -> None:
    clear(database)
    settings = DatabaseSettings(database.url, database.schema)
    together = threading.Barrier(8)

    def replica() -> None:
        together.wait()
        migrate(settings)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(replica) for _ in range(8)]:
            done.result()
    assert len(database.rows("SELECT * FROM agentos_runtime_schema")) == 1


def test_a_replica_whose_table_is_made_by_another_in_the_same_moment_goes_on(
    database: Any, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has seen that there is no such table, and meets the type of the other one's."""
    clear(database)
    slow, columns = psycopg.connect(database.url), "(fingerprint text, tables int, migrated_at timestamptz)"
    slow.execute(f"CREATE TABLE another {columns}".encode())  # what it must read of types is read
    slow.rollback()
    with ThreadPoolExecutor(1) as pool, postgres.connect() as fast, monkeypatch.context() as patched:
        fast.autocommit = False
        patched.setattr(psycopg, "connect", lambda *_, **__: slow)
        fast.execute("LOCK TABLE pg_catalog.pg_type IN ACCESS EXCLUSIVE MODE")
        done = pool.submit(migrate, DatabaseSettings(database.url, database.schema))
        waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND pid = %s"
        eventually(lambda: fast.execute(waits, [slow.info.backend_pid]).fetchone() is not None, "it waits for types")
        fast.execute(f"SET LOCAL ROLE {database.schema}".encode())
        fast.execute(f"CREATE TABLE {database.schema}.agentos_runtime_schema {columns}".encode())
        fast.commit()
        done.result()
    assert len(database.rows("SELECT * FROM agentos_runtime_schema")) == 1


def test_a_table_that_was_dropped_by_hand_is_made_again(database: Any) -> None:
    settings = DatabaseSettings(database.url, database.schema)
    migrate(settings)
    database.execute("DROP TABLE agno_memories")
    migrate(settings)
    assert database.rows("SELECT count(*) FROM agno_memories") == [(0,)]


def test_a_tenant_that_holds_an_advisory_lock_stops_nobody(database: Any, postgres: Any) -> None:
    clear(database)
    with postgres.connect() as connection:
        connection.execute("SELECT pg_advisory_lock(n) FROM generate_series(-100, 100) AS n")
        migrate(DatabaseSettings(database.url, database.schema))


def test_a_schema_that_cannot_be_migrated_ends_the_process_with_its_reason(
    start: Callable[..., Any], database: Any, postgres: Any
) -> None:
    clear(database)
    with postgres.connect() as connection:
        connection.execute(f"REVOKE CREATE ON SCHEMA {database.schema} FROM {database.schema}".encode())
    try:
        process = start()
        assert process.process.wait(60) == 78
        assert process.last_words()["reason"] == "MigrationFailed"
        assert database.schema in process.last_words()["message"]
    finally:
        with postgres.connect() as connection:
            connection.execute(f"GRANT CREATE ON SCHEMA {database.schema} TO {database.schema}".encode())


def clear(database: Any) -> None:
    """Back to the empty schema that the operator makes."""
    database.execute(f"DROP OWNED BY {database.schema} CASCADE")


@pytest.fixture(autouse=True)
def _tables_are_back(database: Any, postgres: Any) -> Iterator[None]:
    """The next test finds a schema that the shared runtime can work in."""
    yield
    migrate(DatabaseSettings(database.url, database.schema))


def test_lost_tables_end_the_process_instead_of_losing_runs(
    start: Callable[..., Any], token: Callable[..., str], database: Any
) -> None:
    """Renamed, not dropped, and renamed back: other tests use the same schema."""
    own = start()
    own.wait_until("/readyz")
    database.execute(f"ALTER TABLE {database.schema}.agno_sessions RENAME TO put_aside")
    try:
        own.wait_until("/readyz", 503)
        own.wait_until("/livez", 503)
        headers = {"Authorization": f"Bearer {token()}"}
        assert httpx.post(f"{own.url}/agents/support/runs", data=FORM, headers=headers).status_code == 503
    finally:
        database.execute(f"ALTER TABLE {database.schema}.put_aside RENAME TO agno_sessions")
