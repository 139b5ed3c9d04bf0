"""A run that failed is 502, not 200, and one that a guardrail or a hook refused is 422.

agno answers 200 with `"status": "ERROR"` in a body full of other things, which every client would have to
know; a workflow that a step has failed raises instead. Streams are left alone: theirs has begun, and its last event
says that it failed.
"""

from __future__ import annotations

import json
from typing import Any

from agentos_runtime.asgi import App, Message, Receive, Scope, Send
from agentos_runtime.errors import FAILED_IN, REFUSED_BY
from agentos_runtime.http.problems import send_problem

_MARK = b'"status":"ERROR"'
"""As agno writes it; looked for first, because most bodies are not worth parsing."""


class FailedRuns:
    """Rewrites the answers to runs that are not streamed."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or "/runs" not in scope["path"]:
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        try:
            await self._app(scope, receive, answer.send)
        except RuntimeError:
            if not await answer.is_of_failed_step():
                raise
        finally:
            await answer.release()


class _Answer:
    """One response; the start of a JSON body waits until it is known how the run went."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None
        self._body: list[bytes] = []
        self._held: list[Message] = []

    async def send(self, message: Message) -> None:
        """Hold a JSON answer back until it is whole."""
        if self._held or (message["type"] == "http.response.start" and self._may_be_of_step(message)):
            self._held.append(message)
        elif message["type"] == "http.response.start" and _is_json_success(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._finish(self._start, b"".join(self._body))

    async def is_of_failed_step(self) -> bool:
        """After agno has raised: whether it was a step that failed, which is answered then.

        Starlette has sent its 500 before it raises again, and agno raises nothing more telling than a RuntimeError.
        """
        if not self._held:
            return False
        self._held.clear()
        await send_problem(self._scope, self._send, 502, "The run ended with an error of one of its steps.")
        return True

    async def release(self) -> None:
        """Send what was held back."""
        for message in self._held:
            await self._send(message)
        self._held.clear()

    def _may_be_of_step(self, start: Message) -> bool:
        return bool(start["status"] == 500 and self._scope["path"].startswith("/workflows/"))

    async def _finish(self, start: Message, body: bytes) -> None:
        run = _failed(body)
        if run is None:
            await self._send(start)
            await self._send({"type": "http.response.body", "body": body, "more_body": False})
            return
        ids = {name: run[name] for name in ("run_id", "session_id") if isinstance(run.get(name), str)}
        said = str(run.get("content"))
        if said.startswith(REFUSED_BY):
            await send_problem(self._scope, self._send, 422, said, **ids)
        else:
            problem = said if said.startswith(FAILED_IN) else "The run ended with an error of its model."
            await send_problem(self._scope, self._send, 502, problem, **ids)


def _is_json_success(start: Message) -> bool:
    kinds = [value for name, value in start["headers"] if name == b"content-type"]
    return bool(start["status"] == 200 and kinds and kinds[0].startswith(b"application/json"))


def _failed(body: bytes) -> dict[str, Any] | None:
    """The run, where it is one that failed."""
    if _MARK not in body:
        return None
    run = json.loads(body)
    return run if isinstance(run, dict) and run.get("status") == "ERROR" else None
