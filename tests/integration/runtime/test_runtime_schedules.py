"""Schedules in real processes: each time once, whoever dies in the middle of it.

No test waits for a minute to pass: a process is started after a time whose run nobody has begun.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from agentos_runtime.database.engine import create_database, create_engine
from agentos_runtime.database.migrate import migrate
from agentos_runtime.schedules.records import Declared, Records
from agentos_runtime.settings import DatabaseSettings
from agentos_spec import ScheduleSpec
from tests.integration.runtime.test_runtime_interrupted import eventually

Start = Callable[..., Any]
Mint = Callable[..., str]
EVERY_MINUTE = {"id": "tick", "cron": "* * * * *", "agent": "support", "message": "Good morning"}
FIRINGS = "SELECT id, session_id, run_id, status FROM agno_schedule_runs ORDER BY id"


@pytest.fixture
def overdue(database: Any) -> Callable[..., None]:
    """Leaves schedules as those of which nobody has begun the last run."""

    def leave(*schedules: dict[str, Any]) -> None:
        settings = DatabaseSettings(database.url, database.schema)
        migrate(settings)
        database.execute("DELETE FROM agno_schedules")
        asyncio.run(declared_before(settings, schedules))

    return leave


async def declared_before(settings: DatabaseSettings, schedules: tuple[dict[str, Any], ...]) -> None:
    """As a process declared them one and a half minutes ago, and then ended."""
    engine = create_engine(settings)
    if settings.is_sqlite:
        await create_database(settings, engine)._create_all_tables()
    records = Records(engine, settings.schema, "support", lambda: time.time() - 90)
    specs = [ScheduleSpec(each["id"], each["cron"], "UTC", "agent", "support", each["message"]) for each in schedules]
    await records.declare([Declared(records.key(spec), spec, time.time()) for spec in specs])
    await engine.dispose()


def jobs(database: Any, session: str) -> list[str]:
    return [run for (run,) in database.rows(f"SELECT id FROM agno_jobs WHERE session_id = '{session}'")]


def ended(database: Any) -> list[tuple[Any, ...]]:
    """All firings, once none is under way."""
    rows = database.rows(FIRINGS)
    return rows if rows and all(status != "running" for *_, status in rows) else []


def test_two_replicas_begin_every_run_once(
    overdue: Callable[..., None], start: Start, database: Any, free_port: int
) -> None:
    now = datetime.now(UTC)
    once = f"{now.minute} {now.hour} * * *"  # has just come, and not again while this is counted
    schedules = [{**EVERY_MINUTE, "id": f"tick-{number}", "cron": once} for number in range(10)]
    overdue(*schedules)
    replicas = [start(schedules=schedules, AGENTOS_METRICS_PORT=str(free_port)), start(schedules=schedules)]
    for replica in replicas:
        replica.wait_until("/readyz")
    rows = eventually(lambda: len(rows := ended(database)) == len(schedules) and rows)
    assert {status for *_, status in rows} == {"success"}
    assert len({run for _, _, run, _ in rows}) == len({session for _, session, _, _ in rows}) == len(rows)
    for _, session, run, _ in rows:
        assert jobs(database, session) == [run]
    said = "".join(replica.output for replica in replicas)
    started = re.findall(r'"a scheduled run was accepted".*"schedule": "support.tick-0", "run_id"', said)
    assert len(started) == 1
    measured = httpx.get(f"http://127.0.0.1:{free_port}/metrics").text
    told = re.findall(r'agentos_schedule_firings_total\{schedule="tick-\d",status="started"\} (\d)', measured)
    assert sum(map(int, told)) == replicas[0].output.count("a scheduled run was accepted")


def test_a_process_killed_before_its_run_was_accepted_leaves_it_to_another(
    overdue: Callable[..., None], start: Start, database: Any
) -> None:
    overdue(EVERY_MINUTE)
    with psycopg.connect(database.url) as connection:
        connection.execute(f"LOCK TABLE {database.schema}.agno_jobs IN ACCESS EXCLUSIVE MODE".encode())
        first = start(schedules=[EVERY_MINUTE])
        ((firing, session, run, status), *_) = eventually(lambda: database.rows(FIRINGS))
        assert (run, status) == (None, "running")
        first.process.kill()
        first.process.wait()
    # What a minute without a word would do.
    database.execute("UPDATE agno_schedule_runs SET triggered_at = triggered_at - 61")
    start(schedules=[EVERY_MINUTE]).wait_until("/readyz")
    rows = eventually(lambda: ended(database))
    ((run, status),) = [(run, status) for id_, _, run, status in rows if id_ == firing]
    assert (jobs(database, session), status) == ([run], "success")


def test_a_process_killed_after_its_run_was_accepted_does_not_have_it_begun_again(
    overdue: Callable[..., None], start: Start, database: Any
) -> None:
    overdue(EVERY_MINUTE)
    process = start(schedules=[EVERY_MINUTE])
    ((firing, session, run, _), *_) = eventually(lambda: ended(database))
    process.process.send_signal(signal.SIGKILL)
    process.process.wait()
    database.execute(
        "UPDATE agno_schedule_runs SET run_id = NULL, status = 'running', triggered_at = triggered_at - 61"
        f" WHERE id = '{firing}'"
    )
    start(schedules=[EVERY_MINUTE]).wait_until("/readyz")
    again = eventually(lambda: [row for row in ended(database) if row[0] == firing])
    assert again == [(firing, session, run, "success")]
    assert jobs(database, session) == [run]


def test_a_run_that_takes_long_is_left_alone(overdue: Callable[..., None], start: Start, database: Any) -> None:
    long = {**EVERY_MINUTE, "message": "wait 20 a long answer"}
    overdue(long)
    for replica in [start(schedules=[long]) for _ in range(2)]:
        replica.wait_until("/readyz")
    accepted = "SELECT id, session_id, run_id FROM agno_schedule_runs WHERE run_id IS NOT NULL ORDER BY id"
    ((firing, session, run), *_) = eventually(lambda: database.rows(accepted))
    database.execute(f"UPDATE agno_schedule_runs SET triggered_at = triggered_at - 3000 WHERE id = '{firing}'")
    status = f"SELECT status FROM agno_schedule_runs WHERE id = '{firing}'"
    assert eventually(lambda: (s := database.rows(status)) != [("running",)] and s) == [("success",)]
    assert jobs(database, session) == [run]


def test_a_user_of_the_same_sub_cannot_take_a_time_away_by_its_key(
    overdue: Callable[..., None], start: Start, database: Any, token: Mint
) -> None:
    """agno knows a second try by a key and a user; the key is of the firing alone and was known to nobody before."""
    mine = {**EVERY_MINUTE, "user": "alice"}
    overdue(mine)
    process = start(schedules=[mine])
    process.wait_until("/readyz")
    firing, session, *_ = eventually(lambda: ended(database))[0]
    assert session not in firing
    form = {"message": "Hello", "stream": "false", "background": "true"}
    key = {"Authorization": f"Bearer {token()}", "Idempotency-Key": firing}
    attempt = httpx.post(f"{process.url}/agents/support/runs", data=form, headers=key, timeout=60)
    assert attempt.json()["session_id"] != session


def test_a_laptop_fires_too(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "agentos.db"
    settings = DatabaseSettings(f"sqlite:///{file}")
    asyncio.run(declared_before(settings, (EVERY_MINUTE,)))
    environ = {"AGENTOS_DATABASE_URL": settings.url, "AGENTOS_DATABASE_SCHEMA": ""}
    start(schedules=[EVERY_MINUTE], **environ).wait_until("/readyz")
    runs = "agno_schedule_runs f JOIN agno_runs r USING (run_id)"
    query = f"SELECT f.id, r.status FROM {runs} WHERE f.status = 'success'"
    rows = eventually(lambda: in_file(file, query))
    assert {status for _, status in rows} == {"COMPLETED"}
    assert len({firing for firing, _ in rows}) == len(rows)


def in_file(file: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(file, timeout=30)) as connection:
        return connection.execute(statement).fetchall()
