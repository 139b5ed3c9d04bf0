"""Bodies that would make agno fail, forget or fill up are answered before it sees them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from agentos_runtime.http.abandoned import Abandoned
from agentos_runtime.http.bodies import Bodies
from agentos_runtime.http.wellformed import Refused, parse_json
from agentos_spec import Limits

FORM = b"application/x-www-form-urlencoded"
LIMITS = replace(Limits(), body_bytes=1000, json_depth=3, body_seconds=0.01)


class Exchange:
    """One request through a layer: what the application below got, and what the caller was answered."""

    def __init__(self, *messages: dict[str, Any], kind: bytes = b"application/json", length: int | None = None) -> None:
        self._messages = iter(messages)
        headers = [(b"content-type", kind), (b"transfer-encoding", b"chunked")]
        headers += [(b"content-length", str(length).encode())] if length is not None else []
        self.scope = {"type": "http", "method": "POST", "path": "/agents/a/runs", "headers": headers, "state": {}}
        self.got: list[Any] = []
        self.sent: list[Any] = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.got.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive(self) -> Any:
        message = next(self._messages, None)
        if message is None:
            await asyncio.Event().wait()
        return message

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def status(self) -> int | None:
        await Bodies(self.app, LIMITS)(self.scope, self.receive, self.send)
        return self.sent[0]["status"] if self.sent else None


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_pieces_arrives_whole() -> None:
    exchange = Exchange(piece(b'{"a"', more=True), piece(b": 1}"))
    assert await exchange.status() == 200
    assert exchange.got == [piece(b'{"a": 1}')]


async def test_a_body_that_stops_in_the_middle_is_408() -> None:
    exchange = Exchange(piece(b'{"a"', more=True))
    assert await exchange.status() == 408
    assert exchange.got == []


async def test_a_caller_who_leaves_in_the_middle_is_answered_nothing() -> None:
    exchange = Exchange(piece(b'{"a"', more=True), {"type": "http.disconnect"})
    assert await exchange.status() is None
    assert exchange.got == []


async def test_a_body_that_grows_too_large_is_413_and_not_kept() -> None:
    assert await Exchange(*(piece(b" " * 600, more=True) for _ in range(2))).status() == 413


@pytest.mark.parametrize("length", [1001, 10**30])
async def test_a_length_that_is_too_large_is_413_before_anything_is_read(length: int) -> None:
    assert await Exchange(length=length).status() == 413


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'[[["a"]]]', b"application/json; charset=utf-8", 200),
        (b'[[[["a"]]]]', b"application/json", 400),
        (b"a=1&metadata=[[[1]]]", FORM, 200),
        (b"a=1&metadata=[[[[1]]]]", FORM, 400),
        (b"message=[[[[[[[[", FORM, 200),
        (b"metadata=[no json", FORM, 200),
        (b"a=%00", FORM, 400),
        (b"a=%ff", FORM, 400),
        (b"session_id=a%2Fb", FORM, 422),
        (b"session_id=", FORM, 200),
        (b"x", b"multipart/form-data", 400),
    ],
)
async def test_bodies_are_checked_by_their_kind(body: bytes, kind: bytes, status: int) -> None:
    assert await Exchange(piece(body), kind=kind).status() == status


@pytest.mark.parametrize(
    ("disposition", "value", "status"),
    [
        (b'name="message"', b"Hello", 200),
        (b'name="message"', b"a\0b", 400),
        (b'name="message"', b"\xff", 400),
        (b'name="session_id"', b"../x", 422),
        (b'name="metadata"', b"[[[[1]]]]", 400),
        (b'name="files"; filename="a.bin"', b"\0\xff", 200),
        (b"name=\"files\"; filename*=UTF-8''a.bin", b"\0\xff", 200),
    ],
)
async def test_fields_of_a_multipart_form_are_checked_and_files_are_not(
    disposition: bytes, value: bytes, status: int
) -> None:
    body = b"--x\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n" + value + b"\r\n--x--\r\n"
    assert await Exchange(piece(body), kind=b"multipart/form-data; boundary=x").status() == status


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "", '"\\x"', "1" * 5000])
def test_what_only_python_takes_for_json_is_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of json, or of int; any of them will do
        parse_json(text, 10)


def test_the_deepest_json_that_python_cannot_read_is_refused_as_too_deep() -> None:
    with pytest.raises(Refused, match="nested more than 10"):
        parse_json("[" * 1_000_000, 10)


def test_keys_that_are_ids_are_held_to_be_ids() -> None:
    assert parse_json(json.dumps({"session_id": "a-1"}), 10) == {"session_id": "a-1"}
    with pytest.raises(Refused, match="session_id must have at most 255"):
        parse_json(json.dumps({"below": [{"session_id": "x" * 256}]}), 10)


async def test_a_run_is_cancelled_when_its_caller_leaves_and_no_sooner() -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    leave = asyncio.Event()
    exchange = Exchange(piece(b"{}"))

    async def receive() -> Any:
        if began.is_set():
            await leave.wait()
            return {"type": "http.disconnect"}
        return await exchange.receive()

    request = asyncio.create_task(Abandoned(run)(exchange.scope, receive, exchange.send))
    await began.wait()
    await asyncio.sleep(0)
    assert not cancelled.is_set()
    leave.set()
    await request
    assert cancelled.is_set()
    assert exchange.sent == []


async def test_a_server_that_ends_still_cancels_a_run_as_ever() -> None:
    began = asyncio.Event()

    async def run(scope: Any, receive: Any, send: Any) -> None:
        began.set()
        await asyncio.Event().wait()

    exchange = Exchange()
    request = asyncio.create_task(Abandoned(run)(exchange.scope, exchange.receive, exchange.send))
    await began.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
