"""Runs that are written down each time that their tools have answered, and pods that die in their middle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.runtime.conftest import Database
from tests.integration.runtime.providers import Stalls, serving
from tests.integration.runtime.test_runtime_interrupted import eventually, status_of

Begin = Callable[..., Any]


@pytest.fixture
def stalls() -> Iterator[str]:
    """The URL of a provider that stalls behind a tool's answer."""
    Stalls.may.clear()
    Stalls.asked.clear()
    with serving(Stalls) as url:
        yield url
        Stalls.may.set()


@pytest.fixture
def begin(start: Callable[..., Any], an_agent: Callable[..., dict[str, Any]], stalls: str) -> Begin:
    """Starts a runtime with an agent, and a team with the same calculator, that keep checkpoints."""

    def started(**fields: Any) -> Any:
        model = {**an_agent()["model"], "baseURL": f"{stalls}/v1"}
        kept = {"model": model, "tools": [{"toolkit": "calculator"}], "checkpoint": "tool-batch", **fields}
        process = start(an_agent(**kept), teams=[{"id": "house", "members": ["support"], **kept}])
        process.wait_until("/readyz")
        return process

    return started


@pytest.fixture
def alice(token: Callable[..., str]) -> dict[str, str]:
    scopes = ["agents:run", "teams:run", "agents:read", "teams:read", "sessions:read"]
    return {"Authorization": f"Bearer {token(scopes=scopes)}"}


def kill(process: Any) -> None:
    process.process.kill()
    process.process.wait()


def until_it_stalls() -> None:
    eventually(lambda: Stalls.asked[-1:] == ["tool"])


@pytest.mark.parametrize("who", ["agents/support", "teams/house"])
def test_a_run_of_a_dead_pod_goes_on_behind_what_its_tools_have_done(
    begin: Begin, database: Database, alice: dict[str, str], who: str
) -> None:
    first = begin()
    form = {"message": "add them", "stream": "false", "background": "true"}
    accepted = httpx.post(f"{first.url}/{who}/runs", data=form, headers=alice, timeout=60).json()
    run, session = accepted["run_id"], accepted["session_id"]
    until_it_stalls()
    assert status_of(database, run) == "RUNNING"
    kill(first)
    second = begin()
    # What a minute without a renewed lease would do.
    database.execute(f"UPDATE agno_jobs SET locked_at = locked_at - 61 WHERE id = '{run}'")
    eventually(lambda: status_of(database, run) == "ERROR")
    there = f"{second.url}/{who}/runs/{run}"
    at = httpx.get(f"{there}/checkpoints?session_id={session}", headers=alice, timeout=60)
    assert at.status_code == 200, at.text
    assert [each["message_role"] for each in at.json()["checkpoints"]][-1:] == ["tool"]
    Stalls.may.set()
    form = {"session_id": session, "stream": "false"}
    again = httpx.post(f"{there}/continue", data=form, headers=alice, timeout=60)
    assert again.status_code == 200, again.text
    assert again.json()["status"] == "COMPLETED"
    assert '"result": 3' in again.json()["content"]
    assert Stalls.asked.count("user") == 1, "the call was not asked for, nor done, once more"


def test_another_user_does_not_see_the_checkpoints(
    begin: Begin, alice: dict[str, str], token: Callable[..., str]
) -> None:
    Stalls.may.set()
    process = begin()
    form = {"message": "add them", "stream": "false"}
    run = httpx.post(f"{process.url}/agents/support/runs", data=form, headers=alice, timeout=60).json()
    bob = {"Authorization": f"Bearer {token(sub='bob', scopes=['agents:run', 'agents:read', 'sessions:read'])}"}
    for path in ("checkpoints", "checkpoints/1"):
        url = f"{process.url}/agents/support/runs/{run['run_id']}/{path}?session_id={run['session_id']}"
        assert httpx.get(url, headers=alice, timeout=60).status_code == 200
        assert httpx.get(url, headers=bob, timeout=60).status_code == 404


def test_a_run_in_the_foreground_ends_with_its_pod_and_leaves_none_that_runs_forever(
    begin: Begin, database: Database, alice: dict[str, str]
) -> None:
    process = begin()
    before = database.rows("SELECT count(*) FROM agno_runs")
    with ThreadPoolExecutor() as pool:
        form = {"message": "add them", "stream": "false"}
        answer = pool.submit(httpx.post, f"{process.url}/agents/support/runs", data=form, headers=alice, timeout=60)
        until_it_stalls()
        kill(process)
        with pytest.raises(httpx.TransportError):
            answer.result()
    assert database.rows("SELECT count(*) FROM agno_runs") == before


def test_a_run_that_was_decided_about_and_died_is_left_as_it_waited(
    begin: Begin, database: Database, alice: dict[str, str]
) -> None:
    process = begin(tools=[{"toolkit": "calculator", "requiresConfirmation": ["add"]}])
    url = f"{process.url}/agents/support/runs"
    run = httpx.post(url, data={"message": "add them", "stream": "false"}, headers=alice, timeout=60).json()
    assert run["status"] == "PAUSED"
    (call,) = run["tools"]
    decision = f'[{{"tool_call_id": "{call["tool_call_id"]}", "confirmed": true}}]'
    form = {"session_id": run["session_id"], "stream": "false", "tools": decision}
    with ThreadPoolExecutor() as pool:
        going = pool.submit(httpx.post, f"{url}/{run['run_id']}/continue", data=form, headers=alice, timeout=60)
        until_it_stalls()
        kill(process)
        with pytest.raises(httpx.TransportError):
            going.result()
    assert status_of(database, run["run_id"]) == "PAUSED"
