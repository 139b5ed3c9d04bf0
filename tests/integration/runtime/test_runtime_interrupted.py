"""Runs whose caller leaves or whose process ends: none is lost without a word, and none stays RUNNING."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

RUNS = "/agents/support/runs"
Start = Callable[..., Any]
Mint = Callable[..., str]


@pytest.fixture
def alice(token: Mint) -> dict[str, str]:
    return {"Authorization": f"Bearer {token()}"}


def eventually(true: Callable[[], Any], seconds: float = 60) -> Any:
    """What `true` returns as soon as it is something."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def status_of(database: Any, run: str) -> str | None:
    rows = database.rows(f"SELECT status, run_data->>'status' FROM agno_runs WHERE run_id = '{run}'")
    if not rows:
        return None
    assert rows[0][0] == rows[0][1]
    status: str = rows[0][0]
    return status


def in_use(database: Any) -> int:
    """Connections of the runtime that are in the middle of something."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"
    ((count,),) = database.rows(f"{query} AND state <> 'idle'")
    return int(count)


def runs_of(database: Any) -> dict[str, str]:
    return dict(database.rows("SELECT run_id, status FROM agno_runs"))


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    return (json.loads(line[6:]) for line in lines if line.startswith("data: "))


def in_background(url: str, headers: dict[str, str], message: str) -> tuple[str, str]:
    """A run that was accepted: its id and its session's."""
    form = {"message": message, "stream": "false", "background": "true"}
    accepted = httpx.post(url + RUNS, data=form, headers=headers, timeout=60)
    assert accepted.status_code == 202, accepted.text
    return accepted.json()["run_id"], accepted.json()["session_id"]


def test_a_stream_whose_reader_leaves_is_cancelled_and_gives_its_connection_back(
    client: httpx.Client, database: Any
) -> None:
    with client.stream("POST", RUNS, data={"message": "wait 60 a long answer", "stream": "true"}) as response:
        run = next(events(response.iter_lines()))["run_id"]
    assert eventually(lambda: status_of(database, run)) == "CANCELLED"
    eventually(lambda: in_use(database) == 0)


def test_a_run_whose_caller_leaves_is_cancelled_and_gives_its_connection_back(
    client: httpx.Client, database: Any
) -> None:
    before = runs_of(database)
    with pytest.raises(httpx.ReadTimeout):
        client.post(RUNS, data={"message": "wait 60 a long answer", "stream": "false"}, timeout=1)
    left = eventually(lambda: runs_of(database).keys() - before.keys(), seconds=20)
    assert [runs_of(database)[run] for run in left] == ["CANCELLED"]
    eventually(lambda: in_use(database) == 0)


def test_callers_who_leave_all_the_time_do_not_use_the_pool_up(client: httpx.Client, database: Any) -> None:
    for _ in range(25):
        with client.stream("POST", RUNS, data={"message": "wait 60 x y z", "stream": "true"}) as response:
            next(response.iter_lines())
    assert client.post(RUNS, data={"message": "Hello", "stream": "false"}).status_code == 200
    eventually(lambda: in_use(database) == 0)


def test_a_background_run_outlives_its_reader_and_is_read_to_its_end(client: httpx.Client, database: Any) -> None:
    form = {"message": "wait 3 one two three", "stream": "true", "background": "true"}
    with client.stream("POST", RUNS, data=form) as response:
        first = next(event for event in events(response.iter_lines()) if event["event"] == "RunContent")
    run, session = first["run_id"], first["session_id"]
    resume = {"session_id": session, "last_event_index": str(first["event_index"])}
    with client.stream("POST", f"{RUNS}/{run}/resume", data=resume) as response:
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-accel-buffering"] == "no"
        rest = list(events(response.iter_lines()))
    said = "".join(event.get("content") or "" for event in [first, *rest] if event["event"] == "RunContent")
    assert said == "one two three"
    assert rest[-1]["event"] == "RunCompleted"
    assert status_of(database, run) == "COMPLETED"


def test_a_run_that_was_killed_becomes_an_error_for_its_caller(
    start_alone: Start, alice: dict[str, str], database: Any
) -> None:
    first = start_alone()
    first.wait_until("/readyz")
    run, session = in_background(first.url, alice, "wait 60 a long answer")
    eventually(lambda: status_of(database, run) == "RUNNING")
    first.process.kill()
    first.process.wait()
    second = start_alone()
    second.wait_until("/readyz")
    assert status_of(database, run) == "RUNNING"
    # What a minute without a renewed lease would do.
    database.execute(f"UPDATE agno_jobs SET locked_at = locked_at - 61 WHERE id = '{run}'")
    eventually(lambda: status_of(database, run) == "ERROR")
    told = httpx.get(f"{second.url}{RUNS}/{run}?session_id={session}", headers=alice, timeout=30).json()
    assert told["status"] == "ERROR"


def test_a_run_that_goes_on_is_left_alone_by_another_replica(
    start_alone: Start, alice: dict[str, str], database: Any
) -> None:
    first, second = start_alone(), start_alone()
    first.wait_until("/readyz")
    second.wait_until("/readyz")
    run, _ = in_background(first.url, alice, "wait 20 a long answer")
    eventually(lambda: status_of(database, run) == "RUNNING")
    assert eventually(lambda: (s := status_of(database, run)) != "RUNNING" and s) == "COMPLETED"
    ticket = f"SELECT status, attempt FROM agno_jobs WHERE id = '{run}'"
    assert eventually(lambda: (t := database.rows(ticket)) != [("running", 1)] and t) == [("completed", 1)]


def test_a_run_that_was_accepted_and_not_begun_is_executed_by_the_next_process(
    start_alone: Start, alice: dict[str, str], database: Any
) -> None:
    first = start_alone(limits={"concurrentRuns": 1})
    first.wait_until("/readyz")
    running, _ = in_background(first.url, alice, "wait 60 a long answer")
    eventually(lambda: status_of(database, running) == "RUNNING")
    waiting, _ = in_background(first.url, alice, "Hello")
    assert status_of(database, waiting) == "PENDING"
    first.process.kill()
    first.process.wait()
    second = start_alone()
    second.wait_until("/readyz")
    assert eventually(lambda: (s := status_of(database, waiting)) not in ("PENDING", "RUNNING") and s) == "COMPLETED"


def test_sigterm_lets_a_background_run_finish_and_leaves_what_waits_to_the_next(
    start_alone: Start, alice: dict[str, str], database: Any
) -> None:
    process = start_alone(limits={"concurrentRuns": 1})
    process.wait_until("/readyz")
    run, _ = in_background(process.url, alice, "wait 5 a long answer")
    eventually(lambda: status_of(database, run) == "RUNNING")
    waiting, _ = in_background(process.url, alice, "Hello")
    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait(60) in (0, -signal.SIGTERM)
    assert status_of(database, run) == "COMPLETED"
    start_alone().wait_until("/readyz")
    assert eventually(lambda: (s := status_of(database, waiting)) not in ("PENDING", "RUNNING") and s) == "COMPLETED"
