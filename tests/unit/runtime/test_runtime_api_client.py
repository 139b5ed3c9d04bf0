"""What a model is told of an API's answers, and where no request and no credential goes, with a real server."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from agno.tools.function import Function, FunctionCall

from agentos_runtime.agents.api_client import ApiClient
from agentos_runtime.agents.api_requests import ApiRequest
from agentos_runtime.agents.openapi import compile_api
from agentos_runtime.errors import StartupError
from agentos_spec import BasicAuth, OpenApiSpec, SecretRef

KEY, REF = "planted-key", SecretRef("shop", "key")
DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/echo/{agent}": {
            "post": {
                "operationId": "echo",
                "summary": "Say it again.",
                "parameters": [
                    {"name": "agent", "in": "path", "schema": {"type": "string"}},
                    {"name": "x-key", "in": "header", "schema": {"type": "string"}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            }
        }
    },
}
ANSWERS = {
    "/gone": b"HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nno such",
    "/empty": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/elsewhere": b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://localhost/\r\ncontent-length: 0\r\n\r\n",
    "/image": b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 3\r\n\r\n\x00\x01\x02",
    "/packed": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x00\x01\x02",
    "/large": b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n" + b"x" * 100_000,
    "/broken": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx",
    "/nonsense": b"hello\r\n\r\n",
}


@pytest.fixture
def received() -> list[str]:
    """What the server was sent."""
    return []


@pytest.fixture
async def port(received: list[str]) -> AsyncIterator[int]:
    """A server that answers by the path, or with the request itself."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        whole = head + await reader.readexactly(length)
        received.append(whole.decode())
        path = head.split(b" ", 2)[1].decode()
        if path == "/silent":
            await reader.read()
        else:
            echo = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%s" % (len(whole), whole)
            writer.write(ANSWERS.get(path, echo))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def api(port: int, **more: Any) -> OpenApiSpec:
    return OpenApiSpec("shop", f"http://localhost:{port}", inline=DOCUMENT, path="p", **more)


async def answer(port: int, path: str, secrets: Sequence[str] = (), **more: Any) -> str:
    headers = {"X-Key": secrets[0]} if secrets else {}
    client = ApiClient(api(port, **more), headers, secrets, laptop=True)
    return await client.send(ApiRequest("GET", path))


TOLD = {
    "/gone": "The API answered 404 Not Found: no such",
    "/empty": "Done: the API answered 204 No Content without a text.",
    "/elsewhere": "The API answered 307 Temporary Redirect and refers to another address, which is not followed.",
    "/image": "The API answered 200 OK with image/png, which is no text.",
    "/packed": "The API answered 200 OK, compressed although that was not asked for.",
    "/large": "x" * 300 + "\n[cut: the answer is longer than 300 bytes]",
    "/broken": "The API 'shop' cannot be reached (RemoteProtocolError).",
    "/nonsense": "The API 'shop' cannot be reached (RemoteProtocolError).",
    "/silent": "The API 'shop' has not answered within 1 seconds; whether it did the work is not known.",
}


@pytest.mark.parametrize(("path", "told"), TOLD.items(), ids=TOLD.keys())
async def test_whatever_an_api_answers_the_model_is_told(port: int, path: str, told: str) -> None:
    assert await answer(port, path, max_response_bytes=300, timeout_seconds=1) == told


async def test_an_api_that_repeats_a_credential_does_not_tell_it_to_the_model(port: int) -> None:
    told = await answer(port, "/headers", [KEY])
    assert KEY not in told
    assert "x-key: [secret]" in told


async def test_an_api_that_is_away_is_told_without_an_error() -> None:
    assert await answer(1, "/") == "The API 'shop' cannot be reached (ConnectError)."


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "0.0.0.0"])
async def test_a_pod_is_asked_for_neither_itself_nor_its_clouds_metadata(port: int, address: str) -> None:
    async def resolve(*_: Any) -> list[str]:
        return [address]

    client = ApiClient(api(port), {}, (), laptop=False, resolve=resolve)
    assert "has no address that may be called" in await client.send(ApiRequest("GET", "/headers"))


def compiled(port: int, **more: Any) -> Function:
    toolkit = compile_api(api(port, **more), lambda *_: KEY, Path(), laptop=True)
    (function,) = toolkit.functions.values()
    return function


async def called(function: Function, **arguments: Any) -> str:
    """As agno calls it for a model."""
    function.process_entrypoint()
    return str((await FunctionCall(function=function, arguments=arguments).aexecute()).result)


async def test_agno_calls_an_operation_with_arguments_of_any_name(port: int) -> None:
    told = await called(compiled(port), agent="a/b", body={"words": ["hi"]})
    assert told.startswith(f"POST /echo/a%2Fb HTTP/1.1\r\nhost: localhost:{port}\r\n")
    assert told.endswith('\r\n\r\n{"words": ["hi"]}')


async def test_what_a_model_says_does_not_replace_a_credential(port: int) -> None:
    told = await called(compiled(port, headers={"X-Key": REF}), agent="a", **{"x-key": "mine"})
    assert "mine" not in told
    assert "x-key: [secret]" in told


async def test_a_call_that_cannot_be_sent_is_told_to_the_model(port: int) -> None:
    assert await called(compiled(port)) == "The call was not sent: the argument 'agent' is missing."


CREDENTIALS: dict[str, tuple[dict[str, Any], str]] = {
    "a token": ({"bearer": REF}, f"Bearer {KEY}"),
    "a password": ({"basic": BasicAuth("me", REF)}, "Basic " + base64.b64encode(b"me:planted-key").decode()),
    "a header": ({"headers": {"Authorization": REF}}, KEY),
}


@pytest.mark.parametrize(("given", "sent"), CREDENTIALS.values(), ids=CREDENTIALS.keys())
async def test_a_credential_is_sent_and_never_told(
    port: int, received: list[str], given: dict[str, Any], sent: str
) -> None:
    told = await called(compiled(port, **given), agent="a")
    assert f"authorization: {sent}\r\n" in received[0]
    assert "[secret]" in told
    assert sent.rsplit(maxsplit=1)[-1] not in told


@pytest.mark.parametrize("given", [{"bearer": REF}, {"headers": {"X": REF}}], ids=["a token", "a header"])
def test_a_secret_that_no_header_holds_is_refused_at_the_start_and_not_told(given: dict[str, Any]) -> None:
    with pytest.raises(StartupError, match="holds what a header cannot") as caught:
        compile_api(api(1, **given), lambda *_: "planted\nkey", Path(), laptop=True)
    assert "planted" not in str(caught.value)


def test_a_document_that_is_not_there_or_none_is_told_with_where_it_should_be(tmp_path: Path) -> None:
    spec = OpenApiSpec("shop", "http://localhost", config_map="shop-api", key="openapi.yaml", path="p")
    with pytest.raises(StartupError, match=r"the key openapi.yaml of the ConfigMap shop-api cannot be read"):
        compile_api(spec, lambda *_: KEY, tmp_path, laptop=False)
    (tmp_path / "shop-api").mkdir()
    (tmp_path / "shop-api" / "openapi.yaml").write_text(": [")
    with pytest.raises(StartupError, match=r"ConfigMap shop-api is neither JSON nor YAML"):
        compile_api(spec, lambda *_: KEY, tmp_path, laptop=False)


@pytest.mark.parametrize("field", ["requires_confirmation", "requires_approval"])
def test_an_operation_that_waits_is_recorded(field: str) -> None:
    function = compiled(1, **{field: ("echo",)})
    assert (function.requires_confirmation, function.approval_type) == (True, "required")
