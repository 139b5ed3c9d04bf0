"""Counts requests by the template of their route, and the streams that are open."""

from __future__ import annotations

import time

from agentos_runtime.asgi import App, Message, Receive, Scope, Send, is_event_stream
from agentos_runtime.metrics.instruments import Metrics

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
"""The route of a request that was answered before one was found: refused, or for a path that nobody serves."""


class MeasuredRequests:
    """Outside of everything that answers; `uncounted` are paths that the kubelet asks all the time."""

    def __init__(self, app: App, metrics: Metrics, uncounted: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._uncounted = uncounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._uncounted:
            await self._app(scope, receive, send)
            return
        answer = _Answer(self._metrics, send)
        try:
            with self._metrics.active.counting(scope):
                await self._app(scope, receive, answer.send)
        finally:
            answer.end(scope)


class _Answer:
    """One response."""

    def __init__(self, metrics: Metrics, send: Send) -> None:
        self._metrics = metrics
        self._send = send
        self._began = time.perf_counter()
        self._status = 0
        self._streams = False

    async def send(self, message: Message) -> None:
        """Note how the response begins."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._streams = is_event_stream(message)
            if self._streams:
                self._metrics.streams.inc()
        await self._send(message)

    def end(self, scope: Scope) -> None:
        """Count it, under the route that was found on the way. A caller who left before the answer counts as 499."""
        seconds = time.perf_counter() - self._began
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", None) or UNMATCHED
        self._metrics.requests.labels(method, route, f"{(self._status or 499) // 100}xx").inc()
        if self._streams:
            self._metrics.streams.dec()
            self._metrics.stream_seconds.labels(route).observe(seconds)
        else:
            self._metrics.request_seconds.labels(method, route).observe(seconds)
