"""A run whose caller has left is cancelled: nobody reads its answer, and its model costs money.

Starlette does that for a stream that has begun. A run that is not streamed, and a stream before its first word, would
go on to their end. Who wants a run to outlive the connection asks for it with `background=true`.
"""

from __future__ import annotations

import asyncio

from agentos_runtime.asgi import App, Message, Receive, Scope, Send
from agentos_runtime.http.quotas import is_run


class Abandoned:
    """Cancels the application below when its caller disconnects before the response has begun."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_run(scope):
            await _Run(receive, send).go(self._app, scope)
        else:
            await self._app(scope, receive, send)


class _Run:
    """One request, and a look-out for its caller's leaving while it has no answer yet."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._asked = asyncio.Event()
        self._look_out: asyncio.Task[None] | None = None
        self._left = False

    async def go(self, app: App, scope: Scope) -> None:
        """Run the application; a cancellation of our own ends here."""
        request = asyncio.current_task()
        self._look_out = asyncio.create_task(self._watch(request))
        try:
            await app(scope, self._receiving, self._sending)
        except asyncio.CancelledError:
            if not self._left or request is None:
                raise
            request.uncancel()
        finally:
            self._look_out.cancel()

    async def _receiving(self) -> Message:
        """The body, whole in one message; nothing but the end of the connection can follow it."""
        message = await self._receive()
        self._asked.set()
        return message

    async def _sending(self, message: Message) -> None:
        if self._look_out is not None:
            self._look_out.cancel()
        await self._send(message)

    async def _watch(self, request: asyncio.Task[None] | None) -> None:
        await self._asked.wait()
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self._left = True
        if request is not None:
            request.cancel()
