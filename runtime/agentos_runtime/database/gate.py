"""503 instead of a wrong answer while the database is away.

agno logs most database errors and goes on: a run then answers 200 and nothing is kept. So a request is let in
only while the database answers, and one whose statements failed on the way is answered 503 as well. A stream that has
begun ends with an error event instead. What agno makes a 500 although the database refused the caller's own values is
answered as the caller's mistake.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from agentos_runtime.asgi import App, Message, Receive, Scope, Send, is_event_stream
from agentos_runtime.database.health import Health
from agentos_runtime.http.problems import error_event, send_problem

_AWAY = "The database of this workspace does not answer. Try again shortly."
_NOT_KEPT = "The database of this workspace stopped answering; this run is not kept."
_RETRY = [(b"retry-after", b"2")]
_READ_ONLY = "25006"
"""SQLSTATE of a write to a server that takes none."""


@dataclass
class _Met:
    """What the current request's statements met."""

    away: bool = False
    """A statement found no database that takes it."""
    refusal: tuple[int, str] | None = None
    """The database took the connection, not the caller's values: a status and a sentence."""


_met: ContextVar[_Met | None] = ContextVar("met", default=None)


class DatabaseGate:
    """Stands between authentication and agno."""

    def __init__(self, app: App, health: Health, public: AbstractSet[str]) -> None:
        self._app = app
        self._health = health
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._public:
            await self._app(scope, receive, send)
        elif not await self._health.answers():
            await send_problem(scope, send, 503, _AWAY, _RETRY)
        else:
            await self._guarded(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(scope, send)
        token = _met.set(answer.met)
        try:
            await self._app(scope, receive, answer.send)
        finally:
            _met.reset(token)
            if answer.met.away:
                self._health.doubt()


class _Answer:
    """One response, replaced where it was made without the database."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._replaced = False
        self._streams = False
        self.met = _Met()

    async def send(self, message: Message) -> None:
        """Pass on what is true."""
        if message["type"] == "http.response.start":
            self._streams = is_event_stream(message)
            await self._replace(message["status"])
        elif self._streams and self.met.away and not message.get("more_body"):
            said = message.get("body", b"") + error_event(self._scope, 503, _NOT_KEPT)
            message = {**message, "body": said}
        if not self._replaced:
            await self._send(message)

    async def _replace(self, status: int) -> None:
        """Answer 503 in place of anything, and the caller's own mistake in place of a 500."""
        if self.met.away:
            self._replaced = True
            await send_problem(self._scope, self._send, 503, _AWAY, _RETRY)
        elif self.met.refusal and status >= 500:
            self._replaced = True
            await send_problem(self._scope, self._send, *self.met.refusal)


def watch(engine: AsyncEngine, health: Health) -> None:
    """Let the engine's errors reach the request that met them, however agno handles them."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def note(context: ExceptionContext) -> None:
        met = _met.get()
        if _is_away(context):
            health.doubt()
            if met is not None:
                met.away = True
        elif met is not None:
            met.refusal = _refusal(context.sqlalchemy_exception)


def _is_away(context: ExceptionContext) -> bool:
    """Whether an error means that there is no database, rather than that a statement was wrong."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        # A primary that became a standby: connections to it are of no more use, wherever the new primary is.
        context.is_disconnect = True
    error: Any = context.sqlalchemy_exception or context.original_exception
    if context.is_disconnect or isinstance(error, (OperationalError, InterfaceError, PoolTimeout)):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _refusal(error: BaseException | None) -> tuple[int, str] | None:
    if isinstance(error, DataError):
        return 400, "A value of the request is out of range or cannot be stored."
    if isinstance(error, IntegrityError):
        return 409, "The request contradicts what is stored."
    return None
