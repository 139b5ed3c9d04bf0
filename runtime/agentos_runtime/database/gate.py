"""503 instead of a wrong answer while the database is away.

agno logs most database errors and goes on: a run then answers 200 and nothing is kept. So a request is let in
only while the database answers, and one whose statements failed on the way is answered 503 as well.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from contextvars import ContextVar
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from agentos_runtime.asgi import App, Message, Receive, Scope, Send
from agentos_runtime.database.health import Health
from agentos_runtime.http.problems import send_problem

_AWAY = "The database of this workspace does not answer. Try again shortly."
_RETRY = [(b"retry-after", b"2")]
_lost: ContextVar[list[bool] | None] = ContextVar("lost", default=None)
"""The current request's note that a statement found no database."""


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
        """Answer 503 in place of a response that was made without the database."""
        lost: list[bool] = []
        replaced = False

        async def honest(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and lost:
                replaced = True
                await send_problem(scope, send, 503, _AWAY, _RETRY)
            if not replaced:
                await send(message)

        token = _lost.set(lost)
        try:
            await self._app(scope, receive, honest)
        finally:
            _lost.reset(token)
            if lost:
                self._health.doubt()


def watch(engine: AsyncEngine, health: Health) -> None:
    """Let the engine's errors reach the request that met them, however agno handles them."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def note(context: ExceptionContext) -> None:
        if _is_away(context):
            health.doubt()
            lost = _lost.get()
            if lost is not None:
                lost.append(True)


def _is_away(context: ExceptionContext) -> bool:
    """Whether an error means that there is no database, rather than that a statement was wrong."""
    error: Any = context.sqlalchemy_exception or context.original_exception
    if context.is_disconnect or isinstance(error, (OperationalError, InterfaceError, PoolTimeout)):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated
