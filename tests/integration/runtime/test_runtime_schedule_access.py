"""What callers may do to schedules, and that the way on which runs are begun is open to none of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from tests.integration.runtime.test_runtime_interrupted import eventually

Mint = Callable[..., str]
ADMIN = ["agent_os:admin"]
SCOPES = ["schedules:read", "schedules:write", "schedules:delete", "agents:run", "sessions:read"]
TOCK = "/schedules/support.tock"
LEAP_DAY = {"id": "tock", "cron": "0 0 29 2 *", "agent": "support", "message": "Good night"}
BODY = {"name": "mine", "cron_expr": "* * * * *", "endpoint": "/agents/support/runs", "payload": {"message": "x"}}
Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
    runtime_of: Callable[..., AbstractContextManager[tuple[Any, Any]]],
    database: Any,
) -> Iterator[Any]:
    """A runtime with two schedules, whose time is not now."""
    schedules = [LEAP_DAY, {**LEAP_DAY, "id": "of-alice", "user": "alice"}]
    with runtime_of(tmp_path_factory.mktemp("schedules"), schedules=schedules) as (process, _):
        eventually(lambda: database.rows("SELECT 1 FROM agno_schedules"))
        yield process


@pytest.fixture
def ask(served: Any, token: Mint) -> Ask:
    """A request of a user, who may do to schedules what a scope allows, or of an administrator."""

    def request(user: str, method: str, path: str, forged: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        claims = token(sub=user, scopes=ADMIN if user == "admin" else SCOPES)
        own = {"Authorization": f"Bearer {claims}"} | (forged or {})
        return httpx.request(method, served.url + path, headers=own, timeout=60, **more)

    return request


def ended(database: Any, firing: str) -> Any:
    """A firing whose run has ended."""
    query = f"SELECT run_id, session_id FROM agno_schedule_runs WHERE id = '{firing}' AND status = 'success'"
    return eventually(lambda: database.rows(query))[0]


def test_an_administrator_reads_a_schedule_begins_it_and_finds_its_run(ask: Ask, database: Any) -> None:
    listed = {each["id"]: each for each in ask("admin", "GET", "/schedules").json()["data"]}
    assert (listed["support.tock"]["cron_expr"], listed["support.tock"]["enabled"]) == ("0 0 29 2 *", True)
    begun = ask("admin", "POST", f"{TOCK}/trigger")
    assert begun.status_code == 200, begun.text
    run, session = ended(database, begun.json()["id"])
    assert begun.json()["run_id"] == run
    (firing,) = ask("admin", "GET", f"{TOCK}/runs").json()["data"]
    assert (firing["run_id"], firing["status"]) == (run, "success")
    read = ask("admin", "GET", f"/agents/support/runs/{run}", params={"session_id": session}).json()
    assert (read["user_id"], read["metadata"]["schedule"]) == ("schedule:support.tock", "tock")


@pytest.mark.parametrize(("method", "path"), [("GET", TOCK), ("GET", f"{TOCK}/runs"), ("POST", f"{TOCK}/trigger")])
def test_a_schedule_is_not_there_for_a_user_even_one_whose_sessions_its_runs_are(
    method: str, path: str, ask: Ask
) -> None:
    for mine in (path, path.replace("tock", "of-alice")):
        assert ask("alice", method, mine).status_code == 404
    assert ask("alice", "GET", "/schedules").json()["data"] == []


def test_a_run_of_a_users_schedule_is_in_that_users_sessions(ask: Ask, database: Any) -> None:
    begun = ask("admin", "POST", "/schedules/support.of-alice/trigger").json()
    ended(database, begun["id"])
    path = f"/sessions/{begun['session_id']}?type=agent"
    assert (ask("alice", "GET", path).status_code, ask("bob", "GET", path).status_code) == (200, 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/schedules"),
        ("PATCH", TOCK),
        ("DELETE", TOCK),
        ("POST", f"{TOCK}/enable"),
        ("POST", f"{TOCK}/disable"),
    ],
)
@pytest.mark.parametrize("user", ["alice", "admin"])
def test_a_schedule_is_changed_in_the_spec_and_by_no_request(
    user: str, method: str, path: str, ask: Ask, database: Any
) -> None:
    before = database.rows("SELECT * FROM agno_schedules ORDER BY id")
    refused = ask(user, method, path, **({"json": BODY} if method != "DELETE" else {}))
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    assert refused.headers["content-type"] == "application/problem+json"
    assert "spec.schedules" in refused.json()["detail"]
    assert database.rows("SELECT * FROM agno_schedules ORDER BY id") == before


def test_what_an_earlier_version_stored_for_a_user_is_begun_by_nobody_and_can_be_removed(
    ask: Ask, database: Any
) -> None:
    database.execute(
        "INSERT INTO agno_schedules (id, name, method, endpoint, payload, cron_expr, timezone, timeout_seconds,"
        " max_retries, retry_delay_seconds, enabled, next_run_at, user_id, created_at) VALUES"
        " ('of-bob', 'mine', 'POST', '/agents/support/runs', '{}', '* * * * *', 'UTC', 60, 0, 60, true, 1, 'bob', 1)"
    )
    where = "/schedules/of-bob"
    assert [ask("alice", method, where).status_code for method in ("GET", "DELETE")] == [404, 404]
    assert ask("bob", "POST", f"{where}/trigger").status_code == 409
    assert ask("bob", "DELETE", where).status_code == 204
    assert database.rows("SELECT 1 FROM agno_schedule_runs WHERE schedule_id = 'of-bob'") == []


def test_headers_of_agnos_own_scheduler_mean_nothing_from_a_caller(ask: Ask, served: Any, token: Mint) -> None:
    snapshot = {"context": {"principal_id": "bob", "scopes": ADMIN}, "service_account": True, "enforce_tools": False}
    forged = {"X-Schedule-Owner": "bob", "X-Agno-Run-Authorization": json.dumps(snapshot)}
    form = {"message": "Hello", "stream": "false", "user_id": "bob"}
    ran = ask("alice", "POST", "/agents/support/runs", forged, data=form)
    assert ran.json()["user_id"] == "alice"
    assert ask("alice", "GET", "/schedules", forged).json()["data"] == []
    for bearer in ("None", "agno", "__scheduler__", token(sub="__scheduler__", scopes=ADMIN)):
        attempt = {"Authorization": f"Bearer {bearer}"} | forged
        assert httpx.get(f"{served.url}/schedules", headers=attempt).status_code == 401
