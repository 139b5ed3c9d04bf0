"""`: ping` on silent streams, so that no proxy on the way takes a thinking model for a dead connection.

agno sends no heartbeat while a run is silent, and no headers against buffering.
"""

from __future__ import annotations

import asyncio

from agentos_runtime.asgi import App, Message, Receive, Scope, Send, is_event_stream

PING = b": ping\n\n"
"""A comment of the event stream: clients skip it."""
_AGAINST_BUFFERING = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


class Heartbeat:
    """Adds heartbeats to text/event-stream responses and leaves all others alone."""

    def __init__(self, app: App, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stream = _Stream(send, self._seconds)
        try:
            await self._app(scope, receive, stream.send)
        finally:
            stream.stop()


class _Stream:
    """One response. A ping only ever goes out between two events, never inside one."""

    def __init__(self, send: Send, seconds: float) -> None:
        self._send = send
        self._seconds = seconds
        self._sending = asyncio.Lock()
        self._pinger: asyncio.Task[None] | None = None
        self._spoken_at = asyncio.get_running_loop().time()
        self._whole = True

    async def send(self, message: Message) -> None:
        """Pass a message on, and note that the stream has spoken."""
        if message["type"] == "http.response.start" and is_event_stream(message):
            kept = [(k, v) for k, v in message["headers"] if k not in dict(_AGAINST_BUFFERING)]
            message = {**message, "headers": [*kept, *_AGAINST_BUFFERING]}
            await self._send(message)
            self._pinger = asyncio.create_task(self._ping())
            return
        if self._pinger is None:
            await self._send(message)
            return
        async with self._sending:
            self._spoken_at = asyncio.get_running_loop().time()
            body = message.get("body", b"")
            self._whole = body.endswith(b"\n\n") if body else self._whole
            if not message.get("more_body"):
                self.stop()
            await self._send(message)

    async def _ping(self) -> None:
        """Speak whenever the stream has been silent for an interval, counted from its last word."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._spoken_at + self._seconds - clock())
            async with self._sending:
                if clock() - self._spoken_at < self._seconds:
                    continue
                self._spoken_at = clock()
                if self._whole:
                    await self._send({"type": "http.response.body", "body": PING, "more_body": True})

    def stop(self) -> None:
        """No ping after the end."""
        if self._pinger is not None:
            self._pinger.cancel()
