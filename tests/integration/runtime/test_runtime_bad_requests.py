"""The bad requests of the isolation facts, each over real HTTP: what it is answered, and in which form.

Tokens have tests of their own (`test_runtime_tokens.py`); hosts that nobody serves end at the gateway.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

RUNS = "/agents/support/runs"
FORM = {"message": "Hello", "stream": "false"}
JSON = {"Content-Type": "application/json"}
Mint = Callable[..., str]


def assert_problem(response: httpx.Response, *statuses: int) -> dict[str, Any]:
    """One of the statuses, as a problem document with the request's id."""
    assert response.status_code in statuses, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == response.status_code
    assert body["request_id"] == response.headers["x-request-id"]
    return body


def said_raw(runtime: Any, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """What bytes that no HTTP client would send are answered: status, headers, body."""
    with socket.create_connection(("127.0.0.1", runtime.port), timeout=30) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, body


def assert_raw_problem(answer: tuple[int, dict[str, str], bytes], status: int) -> None:
    got, headers, body = answer
    assert (got, headers["content-type"]) == (status, "application/problem+json")
    assert json.loads(body)["status"] == status
    assert json.loads(body)["request_id"] == headers["x-request-id"]


def head(token: str, *lines: str, method: str = "GET", path: str = "/agents") -> bytes:
    """A request's head with a valid token and these lines; closed after the answer."""
    fixed = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", "Connection: close"]
    return "\r\n".join([*fixed, *lines, "", ""]).encode("latin-1")


def test_a_request_without_a_token_is_401(runtime: Any) -> None:
    assert_problem(httpx.post(runtime.url + RUNS, data=FORM), 401)


def test_a_valid_token_of_another_workspace_is_401(runtime: Any, token: Mint) -> None:
    other = token(aud="00000000-0000-0000-0000-000000000000", workspace_id="globex")
    assert_problem(httpx.post(runtime.url + RUNS, data=FORM, headers={"Authorization": f"Bearer {other}"}), 401)


def test_a_scope_that_does_not_reach_is_403(runtime: Any, token: Mint) -> None:
    headers = {"Authorization": f"Bearer {token(scopes=['sessions:read'])}"}
    assert_problem(httpx.post(runtime.url + RUNS, data=FORM, headers=headers), 403)


def test_an_unknown_agent_is_404(client: httpx.Client) -> None:
    assert_problem(client.post("/agents/sales/runs", data=FORM), 404)


def test_another_users_session_is_404(runtime: Any, client: httpx.Client, token: Mint) -> None:
    session = client.post(RUNS, data=FORM).json()["session_id"]
    bob = {"Authorization": f"Bearer {token(sub='bob')}"}
    assert_problem(httpx.get(f"{runtime.url}/sessions/{session}", headers=bob), 404)


@pytest.mark.parametrize("body", [b'{"planted": ', b"planted", b'{"a": NaN}', b"\xff\xfe", b'"\\ud800'])
def test_malformed_json_is_400_and_not_repeated(client: httpx.Client, body: bytes) -> None:
    response = client.post("/sessions", content=body, headers=JSON)
    assert_problem(response, 400)
    assert "planted" not in response.text


def test_a_body_that_does_not_match_the_schema_is_422_and_names_the_field(client: httpx.Client) -> None:
    body = assert_problem(client.post(RUNS, data={"x": "y"}), 422)
    assert body["errors"][0]["at"] == "body.message"


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json-seq", "", "multipart/mixed"])
def test_a_wrong_content_type_is_415(client: httpx.Client, kind: str) -> None:
    assert_problem(client.post(RUNS, content=b"message=Hello", headers={"Content-Type": kind}), 415)


def test_json_for_an_endpoint_that_takes_forms_is_415(client: httpx.Client) -> None:
    assert_problem(client.post(RUNS, json=FORM), 415)


def test_a_form_for_an_endpoint_that_takes_json_is_415(client: httpx.Client) -> None:
    assert_problem(client.post("/sessions", data={"session_name": "x"}), 415)


def test_a_body_that_says_it_is_too_large_is_413_before_it_is_read(runtime: Any, token: Mint) -> None:
    lines = ("Content-Type: application/json", "Content-Length: 10485761")
    assert_raw_problem(said_raw(runtime, head(token(), *lines, method="POST", path="/sessions")), 413)


def test_a_body_that_turns_out_too_large_is_413(client: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(11):
            yield b" " * 1024**2

    assert_problem(client.post("/sessions", content=pieces(), headers=JSON), 413)


def test_a_body_of_the_largest_size_is_taken(client: httpx.Client) -> None:
    answer = client.post(RUNS, data=FORM, files={"x": ("x.txt", b"x" * (10 * 1024**2 - 1000), "text/plain")})
    assert answer.status_code != 413


@pytest.mark.parametrize("depth", [65, 1_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_that_is_nested_too_deeply_is_400(client: httpx.Client, depth: int, opening: str, closing: str) -> None:
    nested = opening * depth + "1" + closing * depth
    assert_problem(client.post("/sessions", content=nested, headers=JSON), 400)


@pytest.mark.parametrize("field", ["session_state", "metadata", "dependencies", "tools"])
def test_json_in_a_form_that_is_nested_too_deeply_is_400(client: httpx.Client, field: str) -> None:
    assert_problem(client.post(RUNS, data={**FORM, field: "[" * 5_000 + "]" * 5_000}), 400)


def test_a_message_that_looks_like_deep_json_is_only_a_message(client: httpx.Client) -> None:
    assert client.post(RUNS, data={**FORM, "message": "[" * 500}).status_code == 200


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.get("/sessions/a%00b"),
        lambda c: c.get("/sessions?session_name=a%00b"),
        lambda c: c.post(RUNS, data={**FORM, "message": "a\0b"}),
        lambda c: c.post(RUNS, data={**FORM, "session_id": "a\0b"}),
        lambda c: c.post(RUNS, data={**FORM, "session_state": '{"a": "\\u0000"}'}),
        lambda c: c.post(RUNS, data={**FORM, "message": "a\0b"}, files={"f": ("f.txt", b"x")}),
        lambda c: c.post("/sessions", content=b'{"session_name": "a\\u0000b"}', headers=JSON),
        lambda c: c.post("/sessions", content=b'{"session_state": {"a\\u0000": 1}}', headers=JSON),
        lambda c: c.post("/sessions", content=b'{"session_name": "\\ud800"}', headers=JSON),
    ],
    ids=[
        "in a path",
        "in a query",
        "in a message",
        "in an id of a form",
        "in JSON in a form",
        "in a multipart field",
        "in JSON",
        "in a key of JSON",
        "half of a surrogate pair",
    ],
)
def test_what_the_database_cannot_hold_is_400(client: httpx.Client, ask: Callable[[httpx.Client], Any]) -> None:
    assert_problem(ask(client), 400)


@pytest.mark.parametrize(
    "session",
    ["x" * 256, "x" * 1_000_000, "../../etc/passwd", "a\nb", "a\x7fb", "a\u202eb", "a\\b"],
    ids=["long", "a megabyte", "a path", "a line break", "DEL", "right to left", "a backslash"],
)
def test_a_hostile_session_id_is_422(client: httpx.Client, session: str) -> None:
    assert_problem(client.post(RUNS, data={**FORM, "session_id": session}), 422)


@pytest.mark.parametrize("session", ["'; DROP TABLE agno_sessions; --", "%s%s%n", "${jndi:dns:x}", "<script>", "ü🙂"])
def test_a_session_id_that_is_only_strange_is_a_session(client: httpx.Client, database: Any, session: str) -> None:
    assert client.post(RUNS, data={**FORM, "session_id": session}).json()["session_id"] == session
    assert (session,) in database.rows("SELECT session_id FROM agno_sessions")


def test_a_segment_of_a_path_that_is_too_long_is_422(client: httpx.Client) -> None:
    assert_problem(client.get("/sessions/" + "x" * 5_000), 422)


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+14:00", "+"])
@pytest.mark.parametrize("name", ["start_time", "end_time"])
def test_a_time_that_cannot_be_read_is_422(runtime: Any, token: Mint, name: str, time: str) -> None:
    headers = {"Authorization": f"Bearer {token(scopes=['traces:read'])}"}
    answer = httpx.get(f"{runtime.url}/traces", params={name: time}, headers=headers)
    assert (answer.status_code, name in answer.json()["detail"]) == (422, True)


def test_the_name_of_another_user_is_403_in_a_query_and_without_effect_in_a_form(client: httpx.Client) -> None:
    assert_problem(client.get("/sessions?user_id=bob"), 403)
    assert client.post(RUNS, data={**FORM, "user_id": "bob"}).json()["user_id"] == "alice"


def test_a_wrong_method_is_refused(client: httpx.Client) -> None:
    assert_problem(client.put(RUNS, data=FORM), 403, 405)


def test_headers_that_are_too_large_are_431(runtime: Any, token: Mint) -> None:
    assert_raw_problem(said_raw(runtime, head(token(), *(f"X-{n}: {'x' * 1000}" for n in range(20)))), 431)


def test_headers_that_are_too_large_to_be_read_are_431_too(runtime: Any, token: Mint) -> None:
    endless = head(token(), f"X-Endless: {'x' * 100_000}").removesuffix(b"\r\n\r\n")
    assert_raw_problem(said_raw(runtime, endless), 431)


@pytest.mark.parametrize(
    "line",
    ["X-A: b\rc", "X-A: b\nc d", "X A: b", "X-A : b", "Content-Length: 5, 6", "Transfer-Encoding: gzip", ": b"],
    ids=["CR", "LF", "a space in a name", "a space after", "two lengths", "unknown coding", "no name"],
)
def test_a_head_that_is_no_http_is_400(runtime: Any, token: Mint, line: str) -> None:
    status, headers, body = said_raw(runtime, head(token(), line))
    assert status in (400, 501), body
    assert headers["content-type"] == "application/problem+json"


def test_the_server_survives_all_of_it(client: httpx.Client, runtime: Any) -> None:
    assert client.get("/agents").status_code == 200
    assert not re.search(r"Traceback|\"level\": \"critical\"", runtime.output)
