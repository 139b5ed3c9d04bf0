"""Whether Redis can be used, remembered for everybody: a Redis that hangs may hold up one command, not every run.

The first command that fails closes the way; from then on commands fail at once, until a write of the guard's own has
gone through again. A Redis that answers and takes no writes (memory full, a replica, a disk that is full) is as good as
away: a run's events would have holes in them, and the word that it ended would be missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError

_LOG = logging.getLogger("agentos.redis")
_ASK_SECONDS = 1.0

FAILURES = (RedisError, TimeoutError, OSError)
"""All that a command can end with."""
_AWAY = (RedisConnectionError, TimeoutError, OSError, OutOfMemoryError, ReadOnlyError)
"""What a server leads to that is away; redis-py's own TimeoutError is a TimeoutError as well."""
_NO_WRITES = ("MISCONF", "NOREPLICAS", "CLUSTERDOWN", "MASTERDOWN")
"""How answers begin for which redis-py has no class of its own, or none of one kind."""


class RedisAwayError(RedisError):
    """Redis cannot be used, and nobody asked it.

    Not a ConnectionError: who follows a run in agno's stream would try those for ever, silently.
    """

    def __init__(self) -> None:
        super().__init__("Redis does not answer; the run goes on, read it once it has ended")


class Guard:
    """One process's opinion of its Redis."""

    def __init__(self) -> None:
        self.away = False
        """Whether commands fail at once."""

    def check(self) -> None:
        """Raise where there is no use in asking."""
        if self.away:
            raise RedisAwayError

    def judge(self, error: BaseException) -> None:
        """A command failed, perhaps for what it was."""
        if isinstance(error, _AWAY) or str(error).startswith(_NO_WRITES):
            self.lost(error)

    def lost(self, error: BaseException) -> None:
        """Redis cannot be used."""
        if not self.away:
            _LOG.warning("Redis cannot be used (%s); runs go on without it", type(error).__name__)
        self.away = True

    async def watch(self, write: Callable[[], Awaitable[object]], mend: Callable[[], Awaitable[None]]) -> None:
        """Try again and again, on a connection that nobody else waits for; ends with the process.

        `mend` is called before the way is open again, so that nobody sees what an outage has left.
        """
        while True:
            try:
                await write()
                if self.away:
                    await mend()
            except FAILURES as error:
                self.lost(error)
            else:
                if self.away:
                    _LOG.info("Redis can be used again")
                self.away = False
            await asyncio.sleep(_ASK_SECONDS)
