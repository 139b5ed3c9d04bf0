"""The layer before agno's `POST /agents/{id}/runs` and `…/runs/{run}/cancel`, where there is a Redis.

agno looks a run up in the database before it cancels it, and a run that is streamed or answered in one piece is there
only once it has ended: nothing but its own connection could stop it. Here whoever asked for it can, on any replica. And
a cancellation that reached nobody is 503, not 200.
"""

from __future__ import annotations

import re

from agentos_runtime.asgi import App, Message, Receive, Scope, Send, respond, state_of
from agentos_runtime.auth.tokens import Identity
from agentos_runtime.coordination.cancellation import ATTEMPT, OWNER, Attempt, Owner, SharedCancellation
from agentos_runtime.http.problems import send_problem

_RUN = re.compile(r"/agents/([^/]+)/runs")
_CANCEL = re.compile(r"/(agents|teams|workflows)/([^/]+)/runs/([^/]+)/cancel")
_AWAY = "The run is on another replica, and the Redis through which it would be told does not answer. Try again."
_JSON = [(b"content-type", b"application/json")]


class Cancellations:
    """Remembers who asks for runs, and lets them cancel what they asked for."""

    def __init__(self, app: App, cancellation: SharedCancellation) -> None:
        self._app = app
        self._cancellation = cancellation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" and scope["method"] == "POST" else ""
        if run := _RUN.fullmatch(path):
            caller: Identity = state_of(scope)["identity"]
            OWNER.set(Owner(caller.user, run[1]))
        if cancel := _CANCEL.fullmatch(path):
            await self._cancel(scope, receive, send, cancel)
        else:
            await self._app(scope, receive, send)

    async def _cancel(self, scope: Scope, receive: Receive, send: Send, route: re.Match[str]) -> None:
        """By agno's judgement, or else by the right of who started a run that is not stored yet."""
        attempt = Attempt()
        ATTEMPT.set(attempt)
        kind, component, run = route.groups()
        answer = _Answer(send, attempt)
        await self._app(scope, receive, answer.send)
        caller: Identity = state_of(scope)["identity"]
        owner = Owner(caller.user, component)
        if answer.is_unknown and kind == "agents" and await self._cancellation.owner_of(run) == owner:
            await self._cancellation.acancel_run(run)
            answer.held = []
            if attempt.reached:
                await respond(send, 200, _JSON, b"{}")
        if not attempt.reached:
            await send_problem(scope, send, 503, _AWAY, [(b"retry-after", b"2")])
            return
        for message in answer.held:
            await send(message)


class _Answer:
    """agno's answer, held back where it is not the last word: a success of nothing, or a run it does not know."""

    def __init__(self, send: Send, attempt: Attempt) -> None:
        self._send = send
        self._attempt = attempt
        self._holds = False
        self.is_unknown = False
        self.held: list[Message] = []

    async def send(self, message: Message) -> None:
        """Pass on, or hold back."""
        if message["type"] == "http.response.start":
            self.is_unknown = message["status"] == 404
            self._holds = self.is_unknown or (message["status"] < 300 and not self._attempt.reached)
        if self._holds:
            self.held.append(message)
        else:
            await self._send(message)
