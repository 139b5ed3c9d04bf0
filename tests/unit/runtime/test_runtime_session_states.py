"""What callers may write into a session's state, and that everything else passes as it came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from agentos_runtime.http.session_states import SessionStates

EVIL = json.dumps({"session_state": {"workspace_id": "globex"}})


async def passed(method: str, path: str, *chunks: bytes) -> tuple[bytes, list[Any]]:
    """The body that reached the application, and what was answered instead."""
    reached, sent = b"", []
    waiting: Iterator[bytes] = iter(chunks)
    left = len(chunks)

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(waiting), "more_body": left > 0}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal reached
        more = True
        while more:
            message = await receive()
            reached += message["body"]
            more = message["more_body"]

    async def send(message: Any) -> None:
        sent.append(message)

    await SessionStates(app)({"type": "http", "method": method, "path": path}, receive, send)
    return reached, sent


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/sessions"), ("PATCH", "/sessions/s-1"), ("PUT", "/sessions/s-1"), ("POST", "/sessions/")],
)
@pytest.mark.parametrize("name", ["workspace_id", "user_id"])
async def test_what_the_token_says_cannot_be_written(method: str, path: str, name: str) -> None:
    body = json.dumps({"session_state": {"page": 1, name: "globex"}}).encode()
    reached, sent = await passed(method, path, body)
    assert (reached, sent[0]["status"]) == (b"", 403)


@pytest.mark.parametrize("cut", [1, 10, len(EVIL) - 1])
async def test_nor_in_pieces(cut: int) -> None:
    text = EVIL.encode()
    reached, sent = await passed("PATCH", "/sessions/s-1", text[:cut], text[cut:], b"")
    assert (reached, sent[0]["status"]) == (b"", 403)


async def test_nor_in_another_encoding() -> None:
    assert (await passed("PATCH", "/sessions/s-1", EVIL.encode("utf-16")))[1][0]["status"] == 403


async def test_nor_by_saying_it_twice() -> None:
    twice = b'{"session_state": {"page": 1}, "session_state": {"workspace_id": "globex"}}'
    assert (await passed("PATCH", "/sessions/s-1", twice))[1][0]["status"] == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/sessions/s-1", b'{"session_state": {"page": 1}}'),
        ("PATCH", "/sessions/s-1", b'{"workspace_id": "globex"}'),
        ("PATCH", "/sessions/s-1", b'{"session_state": ["workspace_id"]}'),
        ("PATCH", "/sessions/s-1", b"not json"),
        ("PATCH", "/sessions/s-1", b""),
        ("POST", "/agents/support/runs", EVIL.encode()),
        ("GET", "/sessions", b""),
    ],
    ids=["state of one's own", "a field beside it", "no state", "no JSON", "nothing", "another route", "reading"],
)
async def test_anything_else_passes_as_it_is(method: str, path: str, body: bytes) -> None:
    assert await passed(method, path, body[:5], body[5:]) == (body, [])
