"""What a runtime refuses over HTTP, and how it says so. The full list of bad tokens is a unit test."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

Mint = Callable[..., str]


def ask(runtime: Any, headers: Any, path: str = "/agents", method: str = "GET", **more: Any) -> httpx.Response:
    return httpx.request(method, runtime.url + path, headers=headers, timeout=30, **more)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def assert_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    return body


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz"])
def test_probes_need_no_token(runtime: Any, path: str) -> None:
    assert ask(runtime, {}, path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/agents", "/config", "/info", "/docs", "/openapi.json", "/nowhere"])
def test_everything_else_does(runtime: Any, path: str) -> None:
    response = ask(runtime, {}, path)
    assert_problem(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"secret": "another-workspace-secret-0123456789abcdef"}, "signature"),
        ({"aud": "00000000-0000-0000-0000-000000000000"}, "audience"),
        ({"workspace_id": "globex"}, "workspace"),
        ({"exp": int(time.time()) - 60, "iat": int(time.time()) - 120}, "expired"),
        ({"secret": "", "algorithm": "none"}, "algorithm"),
    ],
    ids=["foreign secret", "foreign audience", "foreign workspace", "expired", "alg none"],
)
def test_a_token_that_is_not_the_workspaces_is_refused(runtime: Any, token: Mint, changes: Any, kind: str) -> None:
    response = ask(runtime, bearer(token(**changes)))
    assert kind in assert_problem(response, 401)["detail"] or kind == "algorithm"
    assert response.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


def test_a_scope_that_does_not_reach_is_403(runtime: Any, token: Mint) -> None:
    headers = bearer(token(scopes=["sessions:read"]))
    run = ask(runtime, headers, "/agents/support/runs", "POST", data={"message": "Hi", "stream": "false"})
    assert_problem(run, 403)
    other = bearer(token(scopes=["agents:sales:run"]))
    run = ask(runtime, other, "/agents/support/runs", "POST", data={"message": "Hi", "stream": "false"})
    assert_problem(run, 403)


def test_a_scope_for_this_agent_alone_is_enough(runtime: Any, token: Mint) -> None:
    headers = bearer(token(scopes=["agents:support:run"]))
    run = ask(runtime, headers, "/agents/support/runs", "POST", data={"message": "Hi", "stream": "false"})
    assert run.status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/nowhere", "/queue"])
def test_a_route_that_no_scope_opens_is_closed_even_to_an_administrator(runtime: Any, token: Mint, path: str) -> None:
    assert_problem(ask(runtime, bearer(token(scopes=["agent_os:admin"])), path), 403)


def test_another_users_session_does_not_exist(runtime: Any, token: Mint) -> None:
    form = {"message": "Hi", "stream": "false"}
    session = ask(runtime, bearer(token()), "/agents/support/runs", "POST", data=form).json()["session_id"]
    bob = bearer(token(sub="bob"))
    assert_problem(ask(runtime, bob, f"/sessions/{session}"), 404)
    listed = ask(runtime, bob, "/sessions").json()["data"]
    assert session not in [entry["session_id"] for entry in listed]
    into = ask(runtime, bob, "/agents/support/runs", "POST", data={**form, "session_id": session})
    assert_problem(into, 404)


def test_a_user_beyond_a_limit_is_429_and_told_when_to_come_back_and_others_are_served(
    start: Callable[..., Any], token: Mint
) -> None:
    limited = start(limits={"concurrentRunsPerUser": 1, "requestsPerUserPerMinute": 5})
    limited.wait_until("/readyz")
    alice, bob = bearer(token()), bearer(token(sub="bob"))
    runs, form = "/agents/support/runs", {"message": "Hi", "stream": "false"}
    slow = {"message": "wait 3 a long answer", "stream": "true"}
    with httpx.stream("POST", limited.url + runs, data=slow, headers=alice, timeout=60) as stream:
        refused = [ask(limited, alice, runs, "POST", data=form)]
        assert ask(limited, bob, runs, "POST", data=form).status_code == 200
        assert "event: RunCompleted" in stream.iter_lines()
    refused += [answer for answer in (ask(limited, alice) for _ in range(6)) if answer.status_code != 200]
    for answer in refused:
        assert_problem(answer, 429)
        assert int(answer.headers["retry-after"]) > 0
    assert ["runs at once" in answer.json()["detail"] for answer in refused[:2]] == [True, False]


def test_asking_in_another_users_name_is_403(runtime: Any, token: Mint) -> None:
    assert_problem(ask(runtime, bearer(token()), "/sessions?user_id=bob"), 403)


def test_an_unknown_agent_is_404(runtime: Any, token: Mint) -> None:
    form = {"message": "Hi", "stream": "false"}
    body = assert_problem(ask(runtime, bearer(token()), "/agents/sales/runs", "POST", data=form), 404)
    assert body["detail"] == "Agent not found"


def test_malformed_json_is_a_problem_that_does_not_repeat_it(runtime: Any, token: Mint) -> None:
    headers = {**bearer(token()), "Content-Type": "application/json"}
    response = ask(runtime, headers, "/sessions", "POST", content=b'{"planted": ')
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"
    assert "planted" not in response.text


def test_a_missing_field_is_named(runtime: Any, token: Mint) -> None:
    body = assert_problem(ask(runtime, bearer(token()), "/agents/support/runs", "POST", data={"x": "y"}), 422)
    assert body["errors"][0]["at"] == "body.message"


def test_a_wrong_method_is_refused(runtime: Any, token: Mint) -> None:
    assert ask(runtime, bearer(token()), "/sessions", "PUT").status_code in (403, 405)


def test_a_websocket_is_not_offered(runtime: Any, token: Mint) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        **bearer(token()),
    }
    assert ask(runtime, upgrade, "/workflows/ws").status_code == 403


def test_the_callers_request_id_is_kept_where_it_is_harmless(runtime: Any) -> None:
    assert ask(runtime, {"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert ask(runtime, {"X-Request-Id": "a b"}).headers["x-request-id"] != "a b"
