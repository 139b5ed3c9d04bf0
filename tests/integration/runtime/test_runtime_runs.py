"""Runs over HTTP: what a front end sends and what it gets, and where it is kept."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest


def run(client: httpx.Client, message: str, **form: str) -> httpx.Response:
    return client.post("/agents/support/runs", data={"message": message, "stream": "false", **form})


def events(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


def test_a_question_is_answered(client: httpx.Client) -> None:
    response = run(client, "What is open?")
    assert response.status_code == 200
    assert response.json()["content"] == "You said: What is open?"
    assert response.json()["user_id"] == "alice"


def test_a_stream_ends_with_the_whole_answer(client: httpx.Client) -> None:
    response = run(client, "count 30", stream="true")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    pieces = [e["content"] for e in events(response) if e["event"] == "RunContent"]
    assert "".join(pieces) == " ".join(str(n) for n in range(1, 31))
    assert events(response)[-1]["event"] == "RunCompleted"


def test_the_session_lies_in_the_workspaces_own_schema(client: httpx.Client, database: Any) -> None:
    session = run(client, "Remember this").json()["session_id"]
    rows = database.rows(f"SELECT user_id, agent_id FROM agno_sessions WHERE session_id = '{session}'")
    assert rows == [("alice", "support")]
    assert client.get(f"/sessions/{session}").json()["session_id"] == session


def test_the_workspace_reaches_the_run_and_a_caller_cannot_say_otherwise(client: httpx.Client) -> None:
    claimed = json.dumps({"workspace_id": "other", "user_id": "bob"})
    answer = run(client, "Hello", metadata=claimed, dependencies=claimed, user_id="bob").json()
    assert answer["metadata"] == {"workspace_id": "acme", "deployment": "support", "user_id": "alice"}
    assert answer["user_id"] == "alice"


def test_a_tool_answers_at_once_where_no_confirmation_is_asked_for(client: httpx.Client) -> None:
    answer = run(client, 'call add {"a": 2, "b": 3}').json()
    assert answer["status"] == "COMPLETED"
    assert '"result": 5' in answer["content"]


@pytest.mark.parametrize(("confirmed", "said"), [(True, '"result": 3'), (False, "rejected")])
def test_a_guarded_tool_waits_for_the_decision(client: httpx.Client, confirmed: bool, said: str) -> None:
    paused = run(client, 'call divide {"a": 6, "b": 2}').json()
    assert paused["status"] == "PAUSED"
    assert paused["tools"][0]["requires_confirmation"] is True
    tools = [{**paused["tools"][0], "confirmed": confirmed}]
    done = client.post(
        f"/agents/support/runs/{paused['run_id']}/continue",
        data={"tools": json.dumps(tools), "session_id": paused["session_id"], "stream": "false"},
    )
    assert done.json()["status"] == "COMPLETED"
    assert said in done.json()["content"]


def test_the_agents_are_listed_with_their_own_names(client: httpx.Client) -> None:
    listed = client.get("/agents").json()
    assert [agent["id"] for agent in listed] == ["support"]
    assert listed[0]["model"]["model"] == "gpt-4o-mini"
    assert client.get("/config").json()["os_id"] == "support--acme"


def test_a_model_that_fails_is_502_and_not_a_success(client: httpx.Client, database: Any) -> None:
    failed = run(client, "fail 400")
    assert failed.status_code == 502
    assert failed.headers["content-type"] == "application/problem+json"
    assert failed.json()["detail"] == "The run ended with an error of its model."
    rows = database.rows(f"SELECT status FROM agno_runs WHERE run_id = '{failed.json()['run_id']}'")
    assert rows == [("ERROR",)]


def test_a_stream_whose_model_fails_says_so_in_its_last_event(client: httpx.Client) -> None:
    assert events(run(client, "fail 400", stream="true"))[-1]["event"] == "RunError"


def test_an_answer_that_speaks_of_an_error_is_no_error(client: httpx.Client) -> None:
    assert run(client, 'say "status":"ERROR"').status_code == 200


def test_history_is_sent_again_within_a_session_only(client: httpx.Client) -> None:
    session = run(client, "My name is Alice").json()["session_id"]
    assert run(client, "history", session_id=session).json()["content"] == ("Before this you said: My name is Alice")
    assert run(client, "history").json()["content"] == "Before this you said: nothing"


def test_five_runs_at_once_keep_their_answers_apart(client: httpx.Client) -> None:
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda n: run(client, f"number {n}").json(), range(5)))
    assert [answer["content"] for answer in answers] == [f"You said: number {n}" for n in range(5)]
    assert len({answer["session_id"] for answer in answers}) == 5
