"""A runtime below a path of a shared host, a process behind real HTTP: tokens, streams and refusals stay the same."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.integration.runtime.conftest import Launch, anew

PREFIX = "/acme/support"
Start = Callable[..., Any]


@pytest.fixture
def launch() -> Launch:
    """Whole starts: agno's loggers write as they were told when it was imported, which is read here."""
    return anew


@pytest.fixture
def shared(start: Start) -> Any:
    """A runtime that was told its path."""
    process = start(AGENTOS_PATH_PREFIX=PREFIX)
    process.wait_until("/readyz")
    return process


def status(process: Any, path: str, token: str = "") -> int:
    """The status of a path that is sent as it stands; httpx would tidy it up."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=60)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    found = connection.getresponse().status
    connection.close()
    return found


def test_agents_answer_and_stream_below_the_path_and_ask_for_a_token_there(
    shared: Any, token: Callable[..., str]
) -> None:
    headers = {"Authorization": f"Bearer {token()}"}
    with httpx.Client(base_url=shared.url + PREFIX, timeout=60) as client:
        assert client.get("/agents").status_code == 401
        assert client.get("/health").status_code == 200
        done = client.post("/agents/support/runs", data={"message": "hello", "stream": "false"}, headers=headers)
        assert (done.status_code, done.json()["status"]) == (200, "COMPLETED")
        form = {"message": "hello", "stream": "true"}
        with client.stream("POST", "/agents/support/runs", data=form, headers=headers) as stream:
            assert "event: RunCompleted" in list(stream.iter_lines())


def test_what_lies_beside_the_path_is_404_with_a_token_too(shared: Any, token: Callable[..., str]) -> None:
    valid = token()
    beside = ("/agents", "/", "/acme/supportx/agents", "/acme%2Fsupport/agents", "//acme/support/agents", "/health")
    assert {path: status(shared, path, valid) for path in beside} == dict.fromkeys(beside, 404)


def test_no_spelling_of_a_path_gets_around_the_token(shared: Any) -> None:
    spellings = ("/..%2fagents", "//agents", "/%2e%2e/agents", "/agents/", "/health/../agents", "/acme/support/agents")
    assert not {path for path in spellings if status(shared, PREFIX + path) not in (401, 404)}


def test_a_refused_path_leaves_a_line_in_the_log_like_any_other_request(shared: Any) -> None:
    httpx.get(shared.url + "/acme/other", headers={"X-Request-Id": "r-404"}, timeout=60)
    shared.stop()
    lines = [json.loads(line) for line in shared.output.splitlines()]
    (line,) = [line for line in lines if line.get("request_id") == "r-404"]
    assert line["status"] == 404
