"""The model as an ASGI application: a bare one, because the bench shares its cores with what it measures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from . import wire
from .embeddings import embeddings
from .script import Reply, reply_to

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class BrokenOff(RuntimeError):
    """The script asked for a dropped connection; the server closes it when the application ends so."""


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve `POST /v1/chat/completions`, `POST /v1/embeddings`, `GET /v1/models` and `GET /health`."""
    if scope["type"] != "http":
        return
    match scope["method"], scope["path"]:
        case "POST", "/v1/chat/completions" | "/chat/completions":
            await _chat(await _body(receive), send)
        case "POST", "/v1/embeddings":
            await _embed(await _body(receive), send)
        case "GET", "/v1/models":
            await _json(send, 200, {"object": "list", "data": [{"id": "fake", "object": "model"}]})
        case "GET", "/health":
            await _json(send, 200, {"status": "ok"})
        case _:
            await _json(send, 404, wire.error(Reply(text="no such path", status=404)))


async def _chat(body: bytes, send: Send) -> None:
    """One completion, streamed or whole."""
    try:
        request = json.loads(body)
        reply = reply_to(request["messages"])
    except (ValueError, KeyError, TypeError, AttributeError):
        await _json(send, 400, wire.error(Reply(text="the body is not a chat completion request", status=400)))
        return
    if reply.status != 200:
        await _json(send, reply.status, wire.error(reply))
    elif request.get("stream"):
        await _stream(send, request, reply)
    else:
        await asyncio.sleep(reply.silence + reply.seconds)
        if reply.breaks:
            raise BrokenOff
        await _json(send, 200, wire.completion(request, reply))


async def _embed(body: bytes, send: Send) -> None:
    """Vectors of one text or of several."""
    try:
        answer = embeddings(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        await _json(send, 400, wire.error(Reply(text="the body is not an embeddings request", status=400)))
        return
    await _json(send, 200, answer)


async def _stream(send: Send, request: Mapping[str, Any], reply: Reply) -> None:
    """Server-sent events, one chunk each, spread over the seconds the script asked for."""
    chunks = list(wire.chunks(request, reply))
    await _start(send, 200, b"text/event-stream")
    await asyncio.sleep(reply.silence)
    for index, chunk in enumerate(chunks):
        if reply.breaks and index >= len(chunks) // 2:
            raise BrokenOff
        if reply.seconds:
            await asyncio.sleep(reply.seconds / len(chunks))
        await send(_part(b"data: " + json.dumps(chunk).encode() + b"\n\n", more=True))
    await send(_part(b"data: [DONE]\n\n", more=False))


async def _json(send: Send, status: int, content: Mapping[str, Any]) -> None:
    await _start(send, status, b"application/json")
    await send(_part(json.dumps(content).encode(), more=False))


async def _start(send: Send, status: int, content_type: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type)]})


def _part(body: bytes, *, more: bool) -> MutableMapping[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _body(receive: Receive) -> bytes:
    """The whole request body."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body
