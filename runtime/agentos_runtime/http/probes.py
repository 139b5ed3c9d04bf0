"""`/livez` and `/readyz`, answered before anything of agno is asked."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from agentos_runtime.asgi import App, Receive, Scope, Send, respond
from agentos_runtime.http.problems import send_problem

Ready = Callable[[], Awaitable[bool]]
_JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


class Probes:
    """Liveness says that the event loop turns and no restart is due; readiness that the database answers."""

    def __init__(self, app: App, ready: Ready, is_lost: Callable[[], bool]) -> None:
        self._app = app
        self._ready = ready
        self._is_lost = is_lost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if path == "/livez":
            lost = self._is_lost()
            await _answer(scope, send, "alive" if not lost else "", "The schema's tables are gone.")
        elif path == "/readyz":
            ready = await self._ready()
            await _answer(scope, send, "ready" if ready else "", "The database does not answer.")
        else:
            await self._app(scope, receive, send)


async def _answer(scope: Scope, send: Send, word: str, problem: str) -> None:
    if word:
        await respond(send, 200, _JSON, json.dumps({"status": word}).encode())
    else:
        await send_problem(scope, send, 503, problem, [(b"retry-after", b"2")])
