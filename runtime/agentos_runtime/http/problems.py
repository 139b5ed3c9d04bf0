"""Errors as RFC 9457 problem documents, whoever raised them.

agno answers `{"detail": ...}`, FastAPI a list of validation errors with the caller's input in it, an
unhandled exception a plain 500. A caller gets one form, with the request's id to quote, and never a text of
ours that was meant for a log.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from agentos_runtime.asgi import (
    JSON,
    App,
    Headers,
    Message,
    Receive,
    Scope,
    Send,
    is_event_stream,
    media_type,
    respond,
    state_of,
)

_LOG = logging.getLogger("agentos.errors")
_FAILED = "The runtime failed to answer this request."
_ENDING = "This pod is being replaced. Ask again."
INSUFFICIENT_SCOPE = b'Bearer error="insufficient_scope"'
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


def error_event(scope: Scope, status: int, detail: str) -> bytes:
    """The last event of a stream that cannot go on, in the form of agno's own and with the fields of a problem."""
    _, body = problem(scope, status, detail, event="RunError", content=detail)
    return b"event: RunError\ndata: " + body + b"\n\n"


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
            await answer.fail(500, _FAILED)
        except asyncio.CancelledError:
            # The server gives up on what is still open some time after SIGTERM.
            await answer.fail(503, _ENDING)
            raise


class _Answer:
    """One response on its way out; error bodies are held back until they are whole."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None
        self._body = b""
        self._started = False
        self._streams = False

    async def send(self, message: Message) -> None:
        """Pass on everything but an error in another format."""
        if message["type"] == "http.response.start":
            self._started = True
            self._streams = is_event_stream(message)
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

    async def fail(self, status: int, detail: str) -> None:
        """There will be no more of the application's own: a problem, or an event where a stream has begun."""
        if not self._started:
            retry = [(b"retry-after", b"2")] if status == 503 else []
            await send_problem(self._scope, self._send, status, detail, retry)
        elif self._streams:
            last = error_event(self._scope, status, detail)
            await self._send({"type": "http.response.body", "body": last, "more_body": False})

    async def _rewrite(self, start: Message) -> None:
        status = _status(self._scope, start["status"])
        kept = [(k, v) for k, v in start["headers"] if k not in (b"content-type", b"content-length")]
        said = _said(status, self._body)
        own, body = problem(self._scope, status, **said)
        await respond(self._send, status, [*kept, *own, *_missing(status, said.get("detail"), kept)], body)


def _is_problem(headers: Headers) -> bool:
    return any(key == b"content-type" and value == b"application/problem+json" for key, value in headers)


def _status(scope: Scope, status: int) -> int:
    """The status that says it best.

    agno's own 503 is for what this deployment does not have, which no retry will bring: 501. So is its 401, for the key
    of a model that nobody gave: who is told 401 throws a good token away. FastAPI finds a form where JSON is wanted, or
    the reverse, to lack all its fields: 415. A fork of a session that is not there, or not the caller's, has nothing to
    copy, which agno calls 400: 404, as for all else that is another user's.
    """
    if status in (401, 503):
        return 501
    if status == 400 and scope["method"] == "POST" and scope["path"].endswith("/fork"):
        return 404
    return 415 if status == 422 and _is_other_media(scope) else status


def _missing(status: int, detail: object, kept: Headers) -> Headers:
    """What RFC 6750 and RFC 6585 want beside a status, and agno leaves out."""
    names = {name for name, _ in kept}
    if status == 429 and b"retry-after" not in names:
        return [(b"retry-after", b"5")]
    if status == 403 and str(detail).startswith("Insufficient permissions") and b"www-authenticate" not in names:
        return [(b"www-authenticate", INSUFFICIENT_SCOPE)]
    return []


def _is_other_media(scope: Scope) -> bool:
    """Whether the body is JSON and the route takes forms, or the reverse."""
    field = getattr(scope.get("route"), "body_field", None)
    kind = media_type(scope)
    if field is None or not kind:
        return False
    wanted = getattr(field.field_info, "media_type", JSON)
    return (kind == JSON) != (wanted == JSON)


def _said(status: int, body: bytes) -> dict[str, Any]:
    """What an error body of agno or FastAPI says, without the caller's own input."""
    if status >= 500 and status != 501:
        return {"detail": _FAILED}
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
