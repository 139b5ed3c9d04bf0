"""What callers may do to schedules: read them, begin a run now, remove what an earlier version stored.

They are declared in the AgentDeployment and nowhere else. One that a caller makes would go on in the caller's name with
what the caller may do today, after the token has ended and after whoever signs tokens has let the caller go: a token's
lifetime is the only end that an authority has here.
"""

from __future__ import annotations

import re

from agentos_runtime.asgi import App, Receive, Scope, Send
from agentos_runtime.http.problems import send_problem

_SCHEDULES = re.compile(r"/schedules(/.*)?")
_TRIGGER = re.compile(r"/schedules/[^/]+/trigger/?")
_STORED = re.compile(r"/schedules/[^/.]+/?")
"""Those of agno's own ids; one that is declared has a dot in its."""
_DECLARED = "Schedules are declared under spec.schedules of the AgentDeployment; change it there."


class Schedules:
    """Stands before agno's routes."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _SCHEDULES.fullmatch(scope["path"]) and not _is_allowed(scope):
            await send_problem(scope, send, 405, _DECLARED, [(b"allow", b"GET")])
        else:
            await self._app(scope, receive, send)


def _is_allowed(scope: Scope) -> bool:
    method, path = scope["method"], scope["path"]
    return (
        method in ("GET", "HEAD")
        or (method == "POST" and _TRIGGER.fullmatch(path) is not None)
        or (method == "DELETE" and _STORED.fullmatch(path) is not None)
    )
