"""What a first run needs and a listening port does not: done once the server listens, awaited by every request.

Importing a model's SDK, opening the first connection and reading agno's tables take most of a second together.
A pod is Ready before that, and by the time a request finds its way to it the work is usually done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet

from agentos_runtime.asgi import App, Message, Receive, Scope, Send
from agentos_runtime.errors import StartupError
from agentos_spec import SpecError

_LOG = logging.getLogger("agentos.warmup")
Work = Callable[[], Awaitable[None]]


class Warmup:
    """Starts the work when the application below has started, and holds requests until it is done."""

    def __init__(self, app: App, work: Work, public: AbstractSet[str], give_up: Callable[[], None]) -> None:
        self._app = app
        self._work = work
        self._public = public
        self._give_up = give_up
        self._task: asyncio.Task[None] | None = None
        self.failure: StartupError | SpecError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._starting(send))
            return
        if self._task is not None and not self._task.done() and scope["path"] not in self._public:
            await asyncio.shield(self._task)
        await self._app(scope, receive, send)

    def _starting(self, send: Send) -> Send:
        async def started(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self._task = asyncio.create_task(self._run())

        return started

    async def _run(self) -> None:
        """A model that cannot be imported ends the process; anything else is left to the first request."""
        try:
            await self._work()
        except (StartupError, SpecError) as error:
            self.failure = error
            self._give_up()
        except Exception:
            _LOG.exception("the warm-up failed; the first request pays for it")
