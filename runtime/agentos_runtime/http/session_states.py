"""Keeps `workspace_id` and `user_id` out of what callers write into a session's state.

Every run begins with both from the token (`auth/middleware.py`), whatever the session held. A run that is continued
takes its state from the session alone, and a session may be written between the two: here, and nowhere else.
"""

from __future__ import annotations

import json
from typing import Any

from agentos_runtime.asgi import App, Receive, Scope, Send, read_body, replayed
from agentos_runtime.http.problems import send_problem

FROM_THE_TOKEN = frozenset({"workspace_id", "user_id"})
_METHODS = ("POST", "PUT", "PATCH")


class SessionStates:
    """Refuses a session whose state names what only the token may."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _writes_a_session(scope):
            await self._app(scope, receive, send)
            return
        body = await read_body(receive)
        if _names_the_token(body):
            detail = "workspace_id and user_id of a session's state come from the token."
            await send_problem(scope, send, 403, detail)
            return
        await self._app(scope, replayed(body, receive), send)


def _writes_a_session(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] in _METHODS and (path == "/sessions" or path.startswith("/sessions/"))


def _names_the_token(body: bytes) -> bool:
    """Read as agno reads it; what is no JSON is refused there."""
    try:
        state: Any = json.loads(body)["session_state"]
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return False
    return isinstance(state, dict) and bool(state.keys() & FROM_THE_TOKEN)
