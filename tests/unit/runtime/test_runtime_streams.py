"""Heartbeats: heard on a silent stream, never inside an event, never after the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentos_runtime.http.heartbeat import PING, Heartbeat
from tests.unit.simulation import simulate

SSE = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"private")]


class Response:
    """Sends messages through the layer and keeps what comes out; waits on what it has seen, not on time."""

    def __init__(self, seconds: float) -> None:
        self.sent: list[Any] = []
        self.pinged = asyncio.Event()
        self.spoke_at = self.pinged_at = 0.0
        self._layer = Heartbeat(self._app, seconds)
        self._script: Any = None

    async def play(self, script: Any) -> list[bytes]:
        """Run a script of an application and return the bodies it sent."""
        self._script = script
        await self._layer({"type": "http"}, self._receive, self._send)
        return [message["body"] for message in self.sent[1:]]

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        await self._script(send)

    async def _receive(self) -> Any:
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        if message.get("body") == PING:
            self.pinged.set()


def start(headers: Any = SSE) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": headers}


def body(content: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def test_a_silent_stream_says_ping_until_it_speaks() -> None:
    response = Response(seconds=0.001)

    async def script(send: Any) -> None:
        await send(start())
        await response.pinged.wait()
        await send(body(b"data: 1\n\n", more=False))

    bodies = await response.play(script)
    assert set(bodies[:-1]) == {PING}
    assert bodies[-1] == b"data: 1\n\n"


def test_a_stream_that_has_spoken_is_silent_for_one_interval_at_the_most() -> None:
    async def course() -> float:
        clock = asyncio.get_running_loop().time
        response = Response(seconds=15)

        async def script(send: Any) -> None:
            await send(start())
            await asyncio.sleep(1)
            await send(body(b"data: 1\n\n"))
            response.spoke_at = clock()
            await response.pinged.wait()
            response.pinged_at = clock()
            await send(body(b"", more=False))

        await response.play(script)
        return response.pinged_at - response.spoke_at

    assert simulate(course()) == pytest.approx(15)


async def test_no_ping_breaks_an_event_in_two() -> None:
    response = Response(seconds=0.0)

    async def script(send: Any) -> None:
        await send(start())
        await send(body(b"data: fir"))
        for _ in range(50):
            await asyncio.sleep(0)
        await send(body(b"st\n\n"))
        await response.pinged.wait()
        await send(body(b"", more=False))

    bodies = await response.play(script)
    first = bodies.index(b"data: fir")
    assert bodies[first + 1] == b"st\n\n"


async def test_nothing_is_said_after_the_end() -> None:
    response = Response(seconds=0.0)

    async def script(send: Any) -> None:
        await send(start())
        await send(body(b"data: 1\n\n", more=False))

    await response.play(script)
    ended = len(response.sent)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(response.sent) == ended


async def test_a_stream_that_fails_leaves_no_ping_behind() -> None:
    response = Response(seconds=0.0)

    async def script(send: Any) -> None:
        await send(start())
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await response.play(script)
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_busy_stream_is_not_pinged() -> None:
    response = Response(seconds=3600)

    async def script(send: Any) -> None:
        await send(start())
        for n in range(5):
            await send(body(b"data: %d\n\n" % n))
        await send(body(b"", more=False))

    assert PING not in await response.play(script)


async def test_proxies_are_told_not_to_hold_the_stream_back() -> None:
    response = Response(seconds=3600)

    async def script(send: Any) -> None:
        await send(start())
        await send(body(b"", more=False))

    await response.play(script)
    headers = response.sent[0]["headers"]
    assert [v for k, v in headers if k == b"cache-control"] == [b"no-cache"]
    assert (b"x-accel-buffering", b"no") in headers


async def test_another_response_passes_as_it_is() -> None:
    response = Response(seconds=0.0)
    messages = [start([(b"content-type", b"application/json")]), body(b"{}", more=False)]

    async def script(send: Any) -> None:
        for message in messages:
            await send(message)

    await response.play(script)
    assert response.sent == messages
