"""Headers, path and query: refused before anybody asks who is calling.

uvicorn bounds what it buffers of an unfinished head (`server.py`); this layer bounds what a whole one may be.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from agentos_runtime.asgi import App, Receive, Scope, Send
from agentos_runtime.http.problems import send_problem
from agentos_runtime.http.wellformed import LONGEST_ID, Refused, check_named, check_text, check_time

_TIMES = frozenset({"start_time", "end_time"})
"""Between which times traces are looked for."""


class Envelope:
    """431 for headers beyond their size, 400 and 422 for paths and queries that nothing can be stored under."""

    def __init__(self, app: App, header_bytes: int) -> None:
        self._app = app
        self._header_bytes = header_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._check(scope)
            except Refused as refused:
                await send_problem(scope, send, refused.status, refused.detail)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self._header_bytes:
            raise Refused(431, f"The headers together must stay below {self._header_bytes} bytes.")
        check_path(scope["path"])
        if scope["query_string"]:
            _check_query(scope["query_string"])


def check_path(path: str) -> None:
    """Segments are ids: whatever they are, they are looked up in the database."""
    check_text(path)
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise Refused(400, "The path holds a control character.")
    if any(len(segment) > LONGEST_ID for segment in path.split("/")):
        raise Refused(422, f"A segment of the path must have at most {LONGEST_ID} characters.")


def _check_query(query: bytes) -> None:
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError as error:  # undecodable, or too many
        raise Refused(400, "The query cannot be read.") from error
    for name, value in pairs:
        check_named(name, value)
        if value and name in _TIMES:
            check_time(name, value)
