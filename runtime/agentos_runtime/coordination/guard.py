"""Whether Redis answers, remembered for everybody: a Redis that hangs may hold up one command, not every run.

The first command that fails closes the way; from then on commands fail at once, which agno takes for "nothing
known", until a question of the guard's own is answered again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

_LOG = logging.getLogger("agentos.redis")
_ASK_SECONDS = 1.0

FAILURES = (RedisConnectionError, TimeoutError, OSError)
"""What a server that is away leads to; redis-py's own TimeoutError is a TimeoutError as well."""


class Guard:
    """One process's opinion of its Redis."""

    def __init__(self) -> None:
        self.away = False
        """Whether commands fail at once."""

    def check(self) -> None:
        """Raise where there is no use in asking."""
        if self.away:
            raise RedisConnectionError("Redis does not answer")

    def lost(self, error: BaseException) -> None:
        """A command found no server."""
        if not self.away:
            _LOG.warning("Redis does not answer (%s); runs go on without it", type(error).__name__)
        self.away = True

    async def watch(self, ping: Callable[[], Awaitable[object]]) -> None:
        """Ask again and again, on a connection that nobody else waits for; ends with the process."""
        while True:
            try:
                await ping()
            except (*FAILURES, RedisError) as error:
                self.lost(error)
            else:
                if self.away:
                    _LOG.info("Redis answers again")
                self.away = False
            await asyncio.sleep(_ASK_SECONDS)
