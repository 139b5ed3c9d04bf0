"""Requests through the gateway: answers, streams, approvals. ``isolation`` has those that must not get in."""

from __future__ import annotations

import json

from tests.cluster.tenancy import Tenancy, ask


def test_health_needs_no_token(tenancy: Tenancy) -> None:
    with tenancy.client("support", "acme") as client:
        assert client.get("/health").status_code == 200
        assert client.get("/agents").status_code == 401


def test_an_unknown_agent_is_404(tenancy: Tenancy) -> None:
    with tenancy.client("support", "acme", tenancy.token("acme", "agents:run", "agents:read")) as client:
        assert client.post("/agents/nobody/runs", data={"message": "hi", "stream": "false"}).status_code == 404


def test_a_malformed_body_is_refused_and_not_an_error_of_the_server(tenancy: Tenancy) -> None:
    with tenancy.client("support", "acme", tenancy.token("acme")) as client:
        headers = {"Content-Type": "application/json"}
        assert client.post("/agents/support/runs", content="{", headers=headers).status_code in {400, 415, 422}


def test_a_stream_comes_in_parts_with_heartbeats(tenancy: Tenancy) -> None:
    form = {"message": "think 16 slow", "stream": "true"}
    with (
        tenancy.client("support", "acme", tenancy.token("acme")) as client,
        client.stream("POST", "/agents/support/runs", data=form) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-accel-buffering"] == "no"
        lines = list(answer.iter_lines())
    assert ": ping" in lines
    assert "event: RunCompleted" in lines


def test_a_call_that_needs_confirmation_waits_for_it(tenancy: Tenancy) -> None:
    with tenancy.client("support", "acme", tenancy.token("acme", "agents:run", "agents:read")) as client:
        paused = ask(client, 'call divide {"a": 84, "b": 2}', session_id="approval").json()
        assert paused["status"] == "PAUSED"
        tools = [{**tool, "confirmed": True} for tool in paused["tools"]]
        done = client.post(
            f"/agents/support/runs/{paused['run_id']}/continue",
            data={"tools": json.dumps(tools), "session_id": "approval", "stream": "false"},
        )
    assert done.status_code == 200
    assert done.json()["status"] == "COMPLETED"
    assert "42" in done.json()["content"]


def test_a_session_is_stored_in_the_workspaces_own_schema(tenancy: Tenancy) -> None:
    with tenancy.client("support", "acme", tenancy.token("acme")) as client:
        assert ask(client, "remember me", session_id="kept").status_code == 200
    schema = tenancy.secret_value("agentos-database", "ws-acme", "schema")
    found = tenancy.psql(f"SELECT session_id FROM {schema}.agno_sessions WHERE session_id = 'kept'")
    assert found.strip() == "kept"
