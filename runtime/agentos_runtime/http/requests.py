"""A request id for every request, and one JSON line about it when it is done."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Any

from agentos_runtime.asgi import App, Message, Receive, Scope, Send, header_values, state_of

_LOG = logging.getLogger("agentos.requests")
_SAFE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
QUIET = frozenset({"/livez", "/readyz", "/health"})
"""Probes come every few seconds; only a failed one is worth a line."""


class Requests:
    """The outermost layer: everything below finds `request_id` in the request's state."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _request_id(scope)
        state_of(scope)["request_id"] = request_id
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {
                    **message,
                    "headers": [*message["headers"], (b"x-request-id", request_id.encode())],
                }
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            _log(scope, status, time.perf_counter() - began)


def _request_id(scope: Scope) -> str:
    """The caller's id where it is harmless, else a new one: it ends up in logs and headers."""
    given = header_values(scope["headers"], b"x-request-id")
    if len(given) == 1 and _SAFE_ID.fullmatch(given[0]):
        return given[0].decode()
    return uuid.uuid4().hex


def _log(scope: Scope, status: int, seconds: float) -> None:
    if scope["path"] in QUIET and status < 400:
        return
    _LOG.info("request", extra=_line(scope, status, seconds))


def _line(scope: Scope, status: int, seconds: float) -> dict[str, Any]:
    """What is worth knowing of a request; its path is the route's, as a caller's may hold anything."""
    return {
        "request_id": state_of(scope)["request_id"],
        "method": scope["method"],
        "path": getattr(scope.get("route"), "path", None),
        "status": status or None,
        "duration_ms": round(seconds * 1000, 1),
    }
