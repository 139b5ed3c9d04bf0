"""Types and small helpers of ASGI, shared by the layers around agno's application.

The layers are plain ASGI rather than Starlette's BaseHTTPMiddleware, which would cost a task and a queue per
request and pass every chunk of a stream through it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
JSON = "application/json"
Headers = Iterable[tuple[bytes, bytes]]


def header_values(headers: Headers, name: bytes) -> list[bytes]:
    """Every value of a header; servers hand over lower-case names."""
    return [value for key, value in headers if key == name]


def content_type(scope: Scope) -> str:
    """The header as it was sent; nothing where it is missing or there are several."""
    values = header_values(scope.get("headers", ()), b"content-type")
    return values[0].decode("latin-1") if len(values) == 1 else ""


def media_type(scope: Scope) -> str:
    """What kind of body a request has, without parameters, in lower case."""
    return content_type(scope).partition(";")[0].strip().lower()


async def read_body(receive: Receive) -> bytes:
    """All of a body; behind `http/bodies.py` it is bounded, and one message."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def replayed(body: bytes, receive: Receive) -> Receive:
    """The body as one message, then whatever the server says."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def state_of(scope: Scope) -> MutableMapping[str, Any]:
    """What Starlette shows as `request.state`; a caller cannot reach it."""
    state: MutableMapping[str, Any] = scope.setdefault("state", {})
    return state


def is_event_stream(start: Message) -> bool:
    """Whether a response that begins with this message goes on event by event."""
    return any(k == b"content-type" and v.startswith(b"text/event-stream") for k, v in start["headers"])


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A whole response."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
