"""Request bodies: read whole, bounded in size and time, and checked before agno parses them.

agno and FastAPI read every body into memory anyway, without a bound. Reading it here lets a body that is too large,
malformed, nested too deeply or full of what cannot be stored be refused with its own status, instead of ending as a
422, a 500 or a run that is not kept.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl

from agentos_runtime.asgi import JSON, App, Receive, Scope, Send, content_type, header_values, media_type, replayed
from agentos_runtime.http.problems import send_problem
from agentos_runtime.http.wellformed import Refused, check_named, parse_json
from agentos_spec import Limits

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
_FREE_TEXT = "message"
"""What a user says to an agent may look like JSON and is none."""
_NAME = re.compile(rb'\bname="((?:[^"\\]|\\.)*)"')


class Bodies:
    """Hands a checked body on in one piece; after it, the application hears of a caller who leaves."""

    def __init__(self, app: App, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._checked(scope, receive)
        except Refused as refused:
            await send_problem(scope, send, refused.status, refused.detail)
        except ConnectionResetError:
            return
        else:
            await self._app(scope, replayed(body, receive), send)

    async def _checked(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, if agno can be given it."""
        kind = media_type(scope)
        if kind not in (JSON, FORM, MULTIPART):
            raise Refused(415, f"The body must be {JSON}, {FORM} or {MULTIPART}.")
        body = await self._read(scope, receive)
        if kind == JSON:
            _check_json(body, self._limits.json_depth)
        else:
            fields = _urlencoded(body) if kind == FORM else _multipart(body, content_type(scope))
            _check_fields(fields, self._limits.json_depth)
        return body

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body; a sender may be slow, but not silent."""
        most = self._limits.body_bytes
        if any(not length.isdigit() or int(length) > most for length in header_values(scope["headers"], _LENGTH)):
            raise _too_large(most)
        pieces: list[bytes] = []
        size = 0
        while True:
            try:
                message = await asyncio.wait_for(receive(), self._limits.body_seconds)
            except TimeoutError as error:
                raise Refused(408, "The body did not arrive in time.") from error
            if message["type"] == "http.disconnect":
                raise ConnectionResetError
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > most:
                raise _too_large(most)
            if not message.get("more_body"):
                return b"".join(pieces)


_LENGTH = b"content-length"


def _has_body(scope: Scope) -> bool:
    return any(
        (name == _LENGTH and value.strip(b"0")) or name == b"transfer-encoding" for name, value in scope["headers"]
    )


def _too_large(most: int) -> Refused:
    return Refused(413, f"The body must have at most {most} bytes.")


def _check_json(body: bytes, deepest: int) -> None:
    try:
        parse_json(body, deepest)
    except ValueError as error:
        raise Refused(400, "The body is not JSON.") from error


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError as error:
        raise Refused(400, "The form cannot be read.") from error


def _multipart(body: bytes, declared: str) -> list[tuple[str, str]]:
    boundary = re.search(r'boundary="?([^";]{1,200})', declared)
    if not boundary:
        raise Refused(400, "The form names no boundary.")
    try:
        return list(_fields(body, b"--" + boundary[1].encode("latin-1")))
    except UnicodeDecodeError as error:
        raise Refused(400, "A field of the form is not UTF-8.") from error


def _fields(body: bytes, boundary: bytes) -> Iterator[tuple[str, str]]:
    """Fields of a multipart body that are no files."""
    for part in body.split(boundary)[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name and b"filename" not in head.lower():
            yield name[1].decode(), value.removesuffix(b"\r\n").decode()


def _check_fields(fields: list[tuple[str, str]], deepest: int) -> None:
    for name, value in fields:
        check_named(name, value)
        if name != _FREE_TEXT and value.lstrip()[:1] in ("{", "["):
            try:
                parse_json(value, deepest)
            except ValueError:
                continue  # agno knows which fields have to be JSON
