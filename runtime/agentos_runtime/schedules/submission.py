"""A run asked of agno by this process itself: a call of its application, with no socket in between.

It enters below our authentication, with a token of this process (`auth/internal.py`) for one user and one agent. agno's
own way, a service token that opens every agent to whoever has it and headers that name any user, is not switched on, so
no caller can come in by it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from agentos_runtime.asgi import App, Message, Scope
from agentos_runtime.auth.internal import InternalTokens
from agentos_runtime.auth.middleware import state_for
from agentos_runtime.auth.tokens import Identity
from agentos_spec import ScheduleSpec

_SECONDS = 30
"""A run is accepted in a moment; one that is not by then is tried again later."""
_LONGEST_ERROR = 500
_LATER = frozenset({408, 429})
"""Refusals that say nothing of the request."""


@dataclass(frozen=True)
class Answer:
    """What agno said."""

    status: int
    run_id: str | None = None
    error: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the same request would be answered the same again."""
        return self.run_id is not None or (400 <= self.status < 500 and self.status not in _LATER)


@dataclass(frozen=True)
class Submission:
    """Asks in the name of one deployment's schedules."""

    app: App
    """agno, and what stands between it and our authentication."""
    internal: InternalTokens
    workspace: str
    deployment: str

    async def submit(self, spec: ScheduleSpec, session: str) -> Answer:
        """Begin a background run. The session's id is the key by which agno knows a second try as the same."""
        identity = Identity(
            user=spec.user or f"schedule:{self.deployment}.{spec.id}",
            workspace=self.workspace,
            scopes=(f"{spec.kind}s:{spec.target}:run",),
            claims={},
            issuer="schedule",
        )
        form = {"message": spec.message, "session_id": session, "stream": "false", "background": "true"}
        headers = [
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"idempotency-key", session.encode()),
            self.internal.header_for(identity),
        ]
        scope = _scope(f"/{spec.kind}s/{spec.target}/runs", headers)
        state = state_for(identity, self.deployment)
        scope["state"] = {**state, "metadata": {"schedule": spec.id, **state["metadata"]}}
        async with asyncio.timeout(_SECONDS):
            return await _ask(self.app, scope, urlencode(form).encode())


def _scope(path: str, headers: Sequence[tuple[bytes, bytes]]) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": None,
        "server": None,
    }


async def _ask(app: App, scope: Scope, body: bytes) -> Answer:
    asked, said = False, bytearray()
    status = 500

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()  # nobody leaves
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            said.extend(message.get("body", b""))

    await app(scope, receive, send)
    return _read(status, bytes(said))


def _read(status: int, body: bytes) -> Answer:
    try:
        told = json.loads(body)
    except ValueError:
        told = {}
    run_id = told.get("run_id") if isinstance(told, dict) and status < 300 else None
    return Answer(status, run_id, body.decode(errors="replace")[:_LONGEST_ERROR])
