"""Errors as RFC 9457 problem documents, whoever raised them.

agno answers `{"detail": ...}`, FastAPI a list of validation errors with the caller's input in it, an
unhandled exception a plain 500. A caller gets one form, with the request's id to quote, and never a text of
ours that was meant for a log.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from agentos_runtime.asgi import App, Headers, Message, Receive, Scope, Send, respond, state_of

_LOG = logging.getLogger("agentos.errors")
_LARGEST = 256 * 1024
"""An error body beyond this is replaced without being read."""


def problem(scope: Scope, status: int, detail: str | None = None, **more: Any) -> tuple[Headers, bytes]:
    """Headers and body of a problem document."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": state_of(scope).get("request_id"),
        **more,
    }
    body = json.dumps({key: value for key, value in content.items() if value is not None}).encode()
    return [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")], body


async def send_problem(scope: Scope, send: Send, status: int, detail: str, headers: Headers = (), **more: Any) -> None:
    """Answer with a problem document."""
    own, body = problem(scope, status, detail, **more)
    await respond(send, status, [*own, *headers], body)


class Problems:
    """Rewrites error responses of the application below."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            # Starlette sends its 500 and raises again; raising on would close the connection.
            _LOG.exception("unhandled", extra={"request_id": state_of(scope).get("request_id")})
            if not answer.started:
                await send_problem(scope, send, 500, "The runtime failed to answer this request.")


class _Answer:
    """One response on its way out; error bodies are held back until they are whole."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None
        self._body = b""
        self.started = False

    async def send(self, message: Message) -> None:
        """Pass on everything but an error in another format."""
        if message["type"] == "http.response.start":
            self.started = True
            if message["status"] >= 400 and not _is_problem(message["headers"]):
                self._start = message
                return
        if self._start is None:
            await self._send(message)
            return
        if len(self._body) <= _LARGEST:
            self._body += message.get("body", b"")
        if not message.get("more_body"):
            await self._rewrite(self._start)

    async def _rewrite(self, start: Message) -> None:
        status: int = start["status"]
        kept = [(k, v) for k, v in start["headers"] if k not in (b"content-type", b"content-length")]
        own, body = problem(self._scope, status, **_said(status, self._body))
        await respond(self._send, status, [*kept, *own], body)


def _is_problem(headers: Headers) -> bool:
    return any(key == b"content-type" and value == b"application/problem+json" for key, value in headers)


def _said(status: int, body: bytes) -> dict[str, Any]:
    """What an error body of agno or FastAPI says, without the caller's own input."""
    if status >= 500 and status not in (501, 503):
        return {"detail": "The runtime failed to answer this request."}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    detail = content.get("detail") if isinstance(content, Mapping) else None
    if isinstance(detail, list):
        return {"detail": "The request does not have the expected form.", "errors": _fields(detail)}
    return {"detail": detail} if isinstance(detail, str) else {}


def _fields(errors: list[Any]) -> list[dict[str, Any]]:
    """Validation errors as where and what."""
    return [
        {"at": ".".join(str(part) for part in error.get("loc", ())), "problem": str(error.get("msg", ""))}
        for error in errors
        if isinstance(error, Mapping)
    ]
