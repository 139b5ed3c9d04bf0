"""The form of a run as agno gets it, whatever else a caller put into it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest

from agentos_runtime.http.attachments import FIELD, taken
from agentos_runtime.http.run_forms import RunForms

FORM = "application/x-www-form-urlencoded"


class Asked:
    """One request through the layer: what got to agno, or the status of the refusal."""

    def __init__(self, path: str = "/agents/support/runs", *, queued: bool = True) -> None:
        self.path = path
        self.queued = queued
        self.got: Any = None
        self.sent: list[Any] = []

    async def send(self, body: bytes, kind: str = FORM) -> int:
        scope = {
            "type": "http",
            "method": "POST",
            "path": self.path,
            "query_string": b"",
            "headers": [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())],
        }

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            self.got = (dict(scope["headers"])[b"content-type"].decode(), (await receive())["body"])

        async def answer(message: Any) -> None:
            self.sent.append(message)

        await RunForms(app, queued=self.queued)(scope, receive, answer)
        return int(self.sent[0]["status"]) if self.sent else 0

    def fields(self) -> list[tuple[str, str]]:
        return parse_qsl(self.got[1].decode(), keep_blank_values=True)


async def test_a_form_that_means_what_it_says_arrives_byte_for_byte() -> None:
    asked, body = Asked(), b"message=a+b&stream=false&session_id="
    assert await asked.send(body) == 0
    assert asked.got == (FORM, body)


async def test_what_means_nothing_is_left_out_and_the_rest_stays_in_its_order() -> None:
    asked = Asked("/teams/desk/runs/")
    await asked.send(urlencode([("message", "ü&="), ("run_id", "r"), ("stream", ""), ("message", "2")]).encode())
    assert asked.fields() == [("message", "ü&="), ("stream", ""), ("message", "2")]


async def test_files_survive_that() -> None:
    request = httpx.Request(
        "POST", "http://x", data={"message": "m", "agent": "x"}, files={"files": ("a.txt", b"\0\xff")}
    )
    asked = Asked()
    await asked.send(request.read(), request.headers["content-type"])
    kind, body = asked.got
    assert kind.startswith("multipart/form-data; boundary=")
    assert (b"\0\xff" in body, b'name="agent"' in body, b'filename="a.txt"' in body) == (True, False, True)


async def test_a_callers_own_word_for_files_in_the_queue_is_none() -> None:
    asked = Asked()
    await asked.send(urlencode({"message": "m", "background": "true", FIELD: "[["}).encode())
    assert asked.fields() == [("message", "m"), ("background", "true")]


async def test_files_in_the_queue_are_those_that_were_sent() -> None:
    image = {"content": "AAAA", "mime_type": "image/png"}
    upload = {"files": ("a.md", b"words", "")}
    data = {"message": "m", "background": "on", "images": json.dumps([image])}
    request = httpx.Request("POST", "http://x", data=data, files=upload)
    asked = Asked()
    await asked.send(request.read(), request.headers["content-type"])
    found = taken({"other": 1, FIELD: dict(asked.fields())[FIELD]})
    assert (found["other"], found["files"][0].content, found["files"][0].filename) == (1, b"words", "a.md")
    assert [each.mime_type for each in found["images"]] == ["image/png"]
    assert FIELD not in found


@pytest.mark.parametrize("filters", ['{"op": "EQ"}', '[{"op": "EQ"}]', '{"a": NaN}', "nonsense"])
async def test_filters_that_are_no_plain_json_cannot_wait(filters: str) -> None:
    form = {"message": "m", "background": "true", "knowledge_filters": filters}
    assert await Asked().send(urlencode(form).encode()) == 422
    assert await Asked(queued=False).send(urlencode(form).encode()) == 0


async def test_only_forms_that_begin_a_run_are_read() -> None:
    for path in ("/agents/support/runs/r/cancel", "/sessions", "/agents/a/b/runs"):
        asked, body = Asked(path), b"run_id=r"
        assert await asked.send(body) == 0
        assert asked.got[1] == body


async def test_a_form_that_cannot_be_read_is_400() -> None:
    nameless = b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"
    assert await Asked().send(nameless, "multipart/form-data; boundary=x") == 400
