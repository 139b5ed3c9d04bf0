"""When schedules fire, over hours of a clock that the test turns: on both databases, with agno's answers made up."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from agentos_runtime.asgi import Receive, Scope, Send, header_values, read_body, respond
from agentos_runtime.auth.internal import InternalTokens
from agentos_runtime.database.engine import create_database, create_engine
from agentos_runtime.database.migrate import migrate
from agentos_runtime.schedules.records import Records
from agentos_runtime.schedules.scheduler import Scheduler
from agentos_runtime.schedules.submission import Submission
from agentos_runtime.settings import DatabaseSettings
from agentos_spec import ScheduleSpec

NINE = datetime(2026, 11, 30, 9, 0, tzinfo=UTC).timestamp()
MINUTE, HOUR = 60, 3600
HOURLY = ScheduleSpec("digest", "0 * * * *", "UTC", "agent", "support", "What is new?")
DAILY = replace(HOURLY, cron="0 10 * * *")


@dataclass
class Clock:
    """What all replicas of a test go by."""

    time: float = NINE + 30 * MINUTE

    def __call__(self) -> float:
        return self.time


@dataclass
class Agno:
    """Accepts runs as agno does: once for each key."""

    statuses: list[int] = field(default_factory=list)
    """What it answers first, instead of accepting."""
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What it has accepted, by key."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        form = {name: value for name, (value,) in parse_qs((await read_body(receive)).decode()).items()}
        status = self.statuses.pop(0) if self.statuses else 202
        if status == 0:
            raise ConnectionError("the process is about to die")
        key = header_values(scope["headers"], b"idempotency-key")[0].decode()
        if status == 202:
            self.runs.setdefault(key, form | {"path": scope["path"], "user": scope["state"]["identity"].user})
        await respond(send, status, [], json.dumps({"run_id": f"run of {key}", "detail": "made up"}).encode())

    @property
    def messages(self) -> list[str]:
        return [run["message"] for run in self.runs.values()]


@dataclass
class Stage:
    """One schema, one agno and one clock."""

    engine: AsyncEngine
    schema: str
    clock: Clock = field(default_factory=Clock)
    agno: Agno = field(default_factory=Agno)
    told: list[tuple[str, str]] = field(default_factory=list)

    def replica(self, *schedules: ScheduleSpec, deployment: str = "support", clock: Clock | None = None) -> Scheduler:
        """Another process of a deployment, just started."""
        records = Records(self.engine, self.schema, deployment, clock or self.clock)
        submission = Submission(self.agno, InternalTokens(), "acme", deployment)
        return Scheduler(schedules, records, submission, lambda *what: self.told.append(what))

    async def rows(self, query: str) -> list[dict[str, Any]]:
        async with self.engine.connect() as connection:
            table = f"{self.schema}." if self.schema else ""
            found = await connection.execute(text(query.format(table)))
            return [dict(row) for row in found.mappings()]

    async def rename(self, old: str, new: str) -> None:
        table = f"{self.schema}." if self.schema else ""
        async with self.engine.begin() as connection:
            await connection.execute(text(f"ALTER TABLE {table}{old} RENAME TO {new}"))

    async def schedule(self, key: str = "support.digest") -> dict[str, Any]:
        (row,) = await self.rows(f"SELECT * FROM {{}}agno_schedules WHERE id = '{key}'")
        return row

    async def firings(self) -> list[dict[str, Any]]:
        return await self.rows("SELECT * FROM {}agno_schedule_runs ORDER BY triggered_at, id")


@pytest.fixture(params=["PostgreSQL", "SQLite"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    settings = DatabaseSettings(f"sqlite:///{tmp_path}/agentos.db")
    if request.param == "PostgreSQL":
        database = request.getfixturevalue("database")
        settings = DatabaseSettings(database.url, database.schema)
        migrate(settings)
        database.execute("DELETE FROM agno_schedules")
    engine = create_engine(settings)
    if settings.is_sqlite:
        await create_database(settings, engine)._create_all_tables()
    yield Stage(engine, settings.schema)
    await engine.dispose()


async def test_every_time_is_fired_once_however_many_replicas_look(stage: Stage) -> None:
    quarterly = replace(HOURLY, id="quarterly", cron="*/15 * * * *")
    replicas = [stage.replica(HOURLY, quarterly) for _ in range(3)]
    await asyncio.gather(*(each.look() for each in replicas))
    for _ in range(12):
        stage.clock.time += 5 * MINUTE
        await asyncio.gather(*(each.look() for each in replicas))
    fired = [(each["schedule_id"], each["id"].rpartition(".")[2]) for each in await stage.firings()]
    assert len(fired) == len(set(fired)) == len(stage.agno.runs) == 1 + 4
    assert stage.told.count(("digest", "started")) == 1
    assert stage.told.count(("quarterly", "started")) == 4


async def test_a_run_is_of_the_schedules_user_in_a_session_of_its_own(stage: Stage) -> None:
    of_alice = replace(HOURLY, id="of-alice", user="alice", kind="team", target="newsroom")
    replica = stage.replica(HOURLY, of_alice)
    await replica.look()
    stage.clock.time += HOUR
    await replica.look()
    assert {(run["path"], run["user"]) for run in stage.agno.runs.values()} == {
        ("/agents/support/runs", "schedule:support.digest"),
        ("/teams/newsroom/runs", "alice"),
    }
    assert len({run["session_id"] for run in stage.agno.runs.values()}) == 2


async def test_replicas_whose_clocks_differ_fire_a_time_once(stage: Stage) -> None:
    ahead = Clock(stage.clock.time + 3 * MINUTE)
    replicas = [stage.replica(HOURLY), stage.replica(HOURLY, clock=ahead)]
    for _ in range(60):
        for replica in replicas:
            await replica.look()
        ahead.time += MINUTE
        stage.clock.time += MINUTE
    assert len(stage.agno.runs) == 1


async def test_a_time_whose_replica_died_before_its_run_was_accepted_is_fired_by_another(stage: Stage) -> None:
    dying, other = stage.replica(HOURLY), stage.replica(HOURLY)
    await dying.look()
    await other.look()
    stage.agno.statuses = [0]
    stage.clock.time += HOUR
    await dying.look()
    await other.look()
    assert stage.agno.runs == {}
    stage.clock.time += 61
    await other.look()
    await other.look()
    assert len(stage.agno.runs) == 1
    (firing,) = await stage.firings()
    assert (firing["attempt"], firing["run_id"]) == (2, f"run of {firing['session_id']}")


async def test_a_time_is_not_forgotten_for_the_next_one(stage: Stage) -> None:
    every_minute = replace(HOURLY, cron="* * * * *")
    replica = stage.replica(every_minute)
    await replica.look()
    stage.agno.statuses = [0]
    for _ in range(5):
        stage.clock.time += MINUTE
        await replica.look()
    stage.clock.time += 1
    await replica.look()
    assert len(stage.agno.runs) == 5


async def test_a_replica_that_died_after_the_acceptance_does_not_have_the_run_begun_twice(stage: Stage) -> None:
    replica = stage.replica(HOURLY)
    await replica.look()
    stage.clock.time += HOUR
    await replica.look()
    async with stage.engine.begin() as connection:
        table = f"{stage.schema}." if stage.schema else ""
        await connection.execute(text(f"UPDATE {table}agno_schedule_runs SET run_id = NULL"))
    stage.clock.time += 61
    await stage.replica(HOURLY).look()
    assert len(stage.agno.runs) == 1
    assert [firing["attempt"] for firing in await stage.firings()] == [2]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_run_that_is_not_accepted_just_now_is_tried_again_until_it_is_too_late(
    status: int, stage: Stage
) -> None:
    replica = stage.replica(DAILY)
    await replica.look()
    stage.agno.statuses = [status] * 200
    stage.clock.time = NINE + HOUR
    while stage.clock.time <= NINE + 2 * HOUR:
        await replica.look()
        (firing,) = await stage.firings()
        assert firing["status"] == "running"
        stage.clock.time += 5 * MINUTE
    await replica.look()
    (firing,) = await stage.firings()
    assert (firing["status"], stage.told) == ("failed", [("digest", "failed")])
    assert "nobody accepted it in 13 attempts" in firing["error"]


async def test_a_run_that_is_refused_for_what_it_is_is_not_tried_again(stage: Stage) -> None:
    replica = stage.replica(HOURLY)
    await replica.look()
    stage.agno.statuses = [400]
    stage.clock.time += HOUR
    for _ in range(3):
        await replica.look()
        stage.clock.time += 61
    (firing,) = await stage.firings()
    assert (firing["status"], firing["status_code"], stage.agno.runs) == ("failed", 400, {})
    assert "made up" in firing["error"]
    assert stage.told == [("digest", "failed")]


async def test_a_restart_neither_repeats_nor_skips_a_time(stage: Stage) -> None:
    for _ in range(7):  # from half past nine to half past eleven
        await stage.replica(HOURLY).look()
        stage.clock.time += 20 * MINUTE
    assert [firing["id"] for firing in await stage.firings()] == [
        f"support.digest.{NINE + HOUR:.0f}",
        f"support.digest.{NINE + 2 * HOUR:.0f}",
    ]
    assert len(stage.agno.runs) == 2


async def test_a_time_that_passed_while_no_pod_ran_is_made_up_for_within_an_hour(stage: Stage) -> None:
    await stage.replica(DAILY).look()
    stage.clock.time = NINE + 2 * HOUR - 1
    await stage.replica(DAILY).look()
    assert len(stage.agno.runs) == 1


async def test_a_time_that_passed_longer_ago_is_told_as_missed_once_and_by_one_replica(stage: Stage) -> None:
    await stage.replica(DAILY).look()
    stage.clock.time = NINE + 2 * HOUR + 1
    await asyncio.gather(*(stage.replica(DAILY).look() for _ in range(2)))
    await stage.replica(DAILY).look()
    assert stage.agno.runs == {}
    assert stage.told == [("digest", "missed")]
    (firing,) = await stage.firings()
    assert firing["status"] == "failed"
    assert "2026-11-30T10:00:00+00:00" in firing["error"]


async def test_of_many_times_that_passed_while_no_pod_ran_the_last_is_made_up_for(stage: Stage) -> None:
    every_minute = replace(HOURLY, cron="* * * * *")
    await stage.replica(every_minute).look()
    stage.clock.time += 30 * MINUTE
    await stage.replica(every_minute).look()
    assert len(stage.agno.runs) == 1


async def test_what_is_declared_anew_does_not_make_up_for_times_before_it(stage: Stage) -> None:
    stage.clock.time = NINE + 5 * MINUTE
    await stage.replica(HOURLY).look()
    assert stage.agno.runs == {}
    assert (await stage.schedule())["next_run_at"] == NINE + HOUR


async def test_a_schedule_with_another_time_goes_by_it_from_now_on(stage: Stage) -> None:
    await stage.replica(HOURLY).look()
    changed = replace(HOURLY, cron="20 * * * *")
    replica = stage.replica(changed)
    await replica.look()
    assert stage.agno.runs == {}  # 09:20 was not its time yet
    stage.clock.time = NINE + HOUR + MINUTE
    await replica.look()
    assert stage.agno.runs == {}
    stage.clock.time = NINE + HOUR + 20 * MINUTE
    await replica.look()
    assert len(stage.agno.runs) == 1
    row = await stage.schedule()
    assert (row["cron_expr"], row["next_run_at"]) == ("20 * * * *", NINE + 2 * HOUR + 20 * MINUTE)


async def test_a_schedule_with_another_message_keeps_its_next_time(stage: Stage) -> None:
    await stage.replica(HOURLY).look()
    stage.clock.time += HOUR
    await stage.replica(replace(HOURLY, message="What is old?")).look()
    assert stage.agno.messages == ["What is old?"]


async def test_a_schedule_that_is_removed_stops_and_keeps_its_history(stage: Stage) -> None:
    replica = stage.replica(HOURLY)
    await replica.look()
    stage.clock.time += HOUR
    await replica.look()
    stage.clock.time += HOUR
    await stage.replica().look()
    row = await stage.schedule()
    assert (bool(row["enabled"]), row["next_run_at"], row["disabled_reason"]) == (False, None, "no longer declared")
    assert len(await stage.firings()) == len(stage.agno.runs) == 1


async def test_a_suspended_schedule_begins_nothing_and_makes_up_for_nothing(stage: Stage) -> None:
    await stage.replica(HOURLY).look()
    replica = stage.replica(replace(HOURLY, suspended=True))
    await replica.look()
    stage.clock.time += HOUR
    await replica.look()
    row = await stage.schedule()
    assert (bool(row["enabled"]), row["next_run_at"], row["disabled_reason"]) == (False, None, "suspended")
    await stage.replica(HOURLY).look()
    assert stage.agno.runs == {}
    stage.clock.time += HOUR
    await stage.replica(HOURLY).look()
    assert len(stage.agno.runs) == 1
    assert (await stage.schedule())["disabled_reason"] is None


async def test_two_revisions_in_a_roll_out_fire_a_time_once_and_the_new_one_stays(stage: Stage) -> None:
    old, new = HOURLY, replace(HOURLY, message="What is new today?")
    removed = replace(HOURLY, id="removed")
    replicas = [stage.replica(old, removed), stage.replica(new)]
    for replica in replicas:
        await replica.look()
    replicas[0] = stage.replica(old, removed)  # it restarts in the middle
    await replicas[0].look()
    stage.clock.time += HOUR
    await asyncio.gather(*(each.look() for each in replicas))
    fired = [firing["schedule_id"] for firing in await stage.firings()]
    assert sorted(fired) == ["support.digest", "support.removed"]  # of which the old pod still has one
    stage.clock.time += HOUR
    await replicas[1].look()
    assert stage.agno.messages[-1] == "What is new today?"
    assert (await stage.schedule())["payload"] in ({"message": new.message}, json.dumps({"message": new.message}))


async def test_deployments_of_a_workspace_do_not_fire_each_others_schedules(stage: Stage) -> None:
    support, sales = stage.replica(HOURLY), stage.replica(replace(HOURLY, target="sales"), deployment="sales")
    longer = stage.replica(replace(HOURLY, suspended=True), deployment="support-two")
    replicas = (support, sales, longer)
    for replica in replicas:
        await replica.look()
    stage.clock.time += HOUR
    for replica in replicas:
        await replica.look()
    assert sorted(run["path"] for run in stage.agno.runs.values()) == ["/agents/sales/runs", "/agents/support/runs"]
    await stage.replica(deployment="sales").look()
    assert (await stage.schedule("support.digest"))["enabled"]
    assert not (await stage.schedule("sales.digest"))["enabled"]


async def test_tables_that_are_away_are_waited_for_and_that_is_told_once(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.rename("agno_schedules", "away")
    replica = stage.replica(HOURLY)
    replica.look_seconds = 0.02
    replica.start()
    assert replica._task
    await eventually(lambda: "schedules wait" in caplog.text)
    await stage.rename("away", "agno_schedules")
    while not await stage.rows("SELECT id FROM {}agno_schedules"):
        assert not replica._task.done()
    stage.clock.time += HOUR
    await eventually(lambda: bool(stage.agno.runs))
    replica._task.cancel()
    assert caplog.text.count("schedules wait") == 1


async def test_old_firings_are_forgotten(stage: Stage) -> None:
    replica = stage.replica(HOURLY)
    for _ in range(2):
        await replica.look()
        stage.clock.time += HOUR
    await replica.look()
    stage.clock.time += 31 * 24 * HOUR
    await replica.look()
    assert len(await stage.firings()) == 1


async def eventually(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        for _ in itertools.count():
            if is_true():
                return
            await asyncio.sleep(0.05)
