"""Errors in one form, with nothing in them that was meant for a log."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agentos_runtime.http.problems import Problems

CORS = (b"access-control-allow-origin", b"https://app.example")


class Layer:
    """An application that answers as told, below the layer."""

    def __init__(self, status: int, content: bytes, content_type: bytes = b"application/json") -> None:
        headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(content)), CORS]
        self._start = {"type": "http.response.start", "status": status, "headers": headers}
        half = len(content) // 2
        self._parts = [content[:half], content[half:]]
        self.sent: list[Any] = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        await send(self._start)
        for n, part in enumerate(self._parts):
            await send({"type": "http.response.body", "body": part, "more_body": n == 0})

    async def ask(self, app: Any = None) -> tuple[int, dict[bytes, bytes], bytes]:
        scope = {"type": "http", "method": "POST", "path": "/runs", "state": {"request_id": "r-1"}}
        await Problems(app or self.app)(scope, self._receive, self._send)
        body = b"".join(message["body"] for message in self.sent[1:])
        return self.sent[0]["status"], dict(self.sent[0]["headers"]), body

    async def _receive(self) -> Any:
        return {"type": "http.request"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)


async def answer(status: int, content: object, **more: Any) -> dict[str, Any]:
    """The problem document for an answer of the application, its form checked."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    got, headers, body = await Layer(status, raw, **more).ask()
    assert got == status
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"content-length"] == b"%d" % len(body)
    assert headers[CORS[0]] == CORS[1]
    document: dict[str, Any] = json.loads(body)
    assert (document["status"], document["request_id"]) == (status, "r-1")
    return document


async def test_agnos_detail_is_kept() -> None:
    document = await answer(404, {"detail": "Agent not found"})
    assert (document["title"], document["detail"]) == ("Not Found", "Agent not found")


async def test_validation_errors_name_the_field_and_not_its_value() -> None:
    error = {"type": "missing", "loc": ["body", "message"], "msg": "Field required", "input": {"key": "planted"}}
    document = await answer(422, {"detail": [error]})
    assert document["errors"] == [{"at": "body.message", "problem": "Field required"}]
    assert "planted" not in json.dumps(document)


async def test_a_500_says_nothing_of_its_cause() -> None:
    document = await answer(500, {"detail": "Internal server error (postgresql://u:planted@db)"})
    assert "planted" not in json.dumps(document)


async def test_a_feature_that_is_switched_off_is_501_and_says_so() -> None:
    """agno says 503, which would have its caller try again and again."""
    _, _, body = await Layer(503, b'{"detail": "Registry not enabled"}').ask()
    assert (json.loads(body)["status"], json.loads(body)["detail"]) == (501, "Registry not enabled")


async def test_text_html_and_nonsense_become_problems_too() -> None:
    for content in (b"Not Found", b"<html>planted</html>", b"[" * 20_000, b"", b"[]"):
        document = await answer(404, content, content_type=b"text/plain")
        assert "detail" not in document


async def test_an_answer_that_is_no_error_passes_as_it_is() -> None:
    layer = Layer(200, b'{"detail": "fine"}')
    assert (await layer.ask())[2] == b'{"detail": "fine"}'


async def test_an_exception_without_an_answer_is_a_500() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("postgresql://u:planted@db")

    status, _, body = await Layer(200, b"").ask(broken)
    assert status == 500
    assert b"planted" not in body


def last_event(layer: Layer) -> dict[str, Any]:
    """The event that ends a stream."""
    assert layer.sent[-1]["more_body"] is False
    name, data = layer.sent[-1]["body"].decode().strip().split("\n")
    assert name == "event: RunError"
    event: dict[str, Any] = json.loads(data.removeprefix("data: "))
    return event


async def begin(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"event: RunStarted\n\n", "more_body": True})


async def test_a_stream_that_fails_ends_with_an_event_and_without_its_cause() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await begin(send)
        raise RuntimeError("postgresql://u:planted@db")

    layer = Layer(200, b"")
    await layer.ask(broken)
    event = last_event(layer)
    assert (event["event"], event["status"], event["request_id"]) == ("RunError", 500, "r-1")
    assert "planted" not in json.dumps(event)


async def test_a_stream_that_the_server_gives_up_at_its_end_says_so() -> None:
    began = asyncio.Event()

    async def long(scope: Any, receive: Any, send: Any) -> None:
        await begin(send)
        began.set()
        await asyncio.Event().wait()

    layer = Layer(200, b"")
    request = asyncio.create_task(layer.ask(long))
    await began.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert last_event(layer)["status"] == 503


async def test_a_request_that_the_server_gives_up_at_its_end_is_503() -> None:
    began = asyncio.Event()

    async def long(scope: Any, receive: Any, send: Any) -> None:
        began.set()
        await asyncio.Event().wait()

    layer = Layer(200, b"")
    request = asyncio.create_task(layer.ask(long))
    await began.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert layer.sent[0]["status"] == 503
