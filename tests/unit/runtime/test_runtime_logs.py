"""Log lines: one JSON object each, and no secret in any."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from agentos_runtime.http.requests import Requests
from agentos_runtime.logs import JsonLines, _NoNoise, _Printed

FORMAT = JsonLines({"workspace": "acme"}, ["planted-secret"])


def formatted(message: str, **fields: Any) -> dict[str, Any]:
    record = logging.LogRecord("agno", logging.ERROR, "file", 1, message, None, fields.pop("exc_info", None))
    record.__dict__.update(fields)
    line = FORMAT.format(record)
    assert "\n" not in line
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_a_line_says_who_and_what() -> None:
    line = formatted("request", request_id="r-1", status=200)
    assert (line["workspace"], line["level"], line["request_id"], line["status"]) == ("acme", "error", "r-1", 200)


@pytest.mark.parametrize(
    "message",
    [
        "connecting to postgresql://ws_acme:planted@db:5432/x?sslmode=require failed",
        "url='postgresql+psycopg://ws_acme:planted@db/x'",
        "postgres://u:planted@db",
        "the secret is planted-secret, as you see",
    ],
)
def test_secrets_are_blotted_out(message: str) -> None:
    assert "planted" not in json.dumps(formatted(message))


def test_and_out_of_a_traceback_as_well() -> None:
    error = RuntimeError("postgresql://u:planted@db")
    line = formatted("failed", exc_info=(RuntimeError, error, None))
    assert "RuntimeError" in line["exception"]
    assert "planted" not in json.dumps(line)


def test_agnos_echo_of_a_request_is_dropped() -> None:
    record = logging.LogRecord("agno", logging.ERROR, "f", 1, "Validation error (422): [...]", None, None)
    assert not _NoNoise().filter(record)


def test_what_a_tool_prints_is_logged_line_by_line(caplog: pytest.LogCaptureFixture) -> None:
    stream = _Printed("stdout", 1)
    stream.write("one\ntw")
    stream.write("o\n\n")
    assert [record.getMessage() for record in caplog.records] == ["one", "two"]


async def ask(path: str, status: int, headers: list[tuple[bytes, bytes]], route: object = None) -> list[Any]:
    """One request through the outermost layer; what was sent."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = route
        await send({"type": "http.response.start", "status": status, "headers": []})

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
    await Requests(app)(scope, receive, send)
    return sent


class Route:
    path = "/agents/{agent_id}"


async def test_a_request_is_one_line_with_the_routes_path(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await ask("/agents/planted", 200, [(b"x-request-id", b"r-1")], Route())
    (record,) = caplog.records
    fields = vars(record)
    assert (fields["request_id"], fields["method"], fields["path"], fields["status"]) == (
        *("r-1", "GET"),
        *("/agents/{agent_id}", 200),
    )
    assert "planted" not in str(fields)


async def test_probes_are_not_logged_unless_they_fail(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await ask("/readyz", 200, [])
    assert caplog.records == []
    await ask("/readyz", 503, [])
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "given",
    [[b"a\x00b"], [b"a b"], [b""], [b"x" * 65], [b"r-1", b"r-2"], [b"\xff"], [b'"}{"']],
    ids=["NUL", "space", "empty", "long", "twice", "no ASCII", "JSON"],
)
async def test_a_request_id_that_could_do_harm_is_replaced(given: list[bytes]) -> None:
    sent = await ask("/agents", 200, [(b"x-request-id", value) for value in given])
    (value,) = [v for k, v in sent[0]["headers"] if k == b"x-request-id"]
    assert value not in given
    assert len(value) == 32
