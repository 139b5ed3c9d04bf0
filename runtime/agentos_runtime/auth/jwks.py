"""The keys of an issuer that publishes them: kept, renewed in the background, asked for once when one is unknown.

Nothing is fetched at start: the first token of the issuer waits for it, bounded by `fetch.TIMEOUT`. While the issuer is
away, the keys that were read last go on to be used, for a day.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from agentos_runtime.auth.fetch import FetchFailed

if TYPE_CHECKING:
    from agentos_runtime.auth.keys import Key

FRESH_SECONDS = 300
"""Older keys are renewed while they are used."""
OVERDUE_SECONDS = 600
"""Older ones are renewed before they are used, unless the endpoint was down the last time: after a quiet night the
first token must not be judged by the evening's keys."""
KEPT_SECONDS = 24 * 3600
"""Older keys are not used any more: one that was withdrawn must not live for ever because an endpoint is down."""
PAUSE_SECONDS = 10
"""Between two attempts, whatever callers send: unknown keys must not become load on the issuer."""
_LOG = logging.getLogger("agentos.jwks")

Fetch = Callable[[], Awaitable[bytes]]


class KeysUnavailable(Exception):
    """The issuer's keys have never been read, or too long ago: its tokens can be neither believed nor refused."""


class KeySet:
    """One issuer's keys; used from the event loop alone."""

    def __init__(
        self, name: str, algorithms: frozenset[str], fetch: Fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._algorithms = algorithms
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, Key] = {}
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._failed = False
        self._attempt: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> Key | None:
        """The key with an id; None when the issuer has none, KeysUnavailable when that cannot be known."""
        age = self._clock() - self._read_at
        if age > KEPT_SECONDS:
            await self._attempted()
            if self._clock() - self._read_at > KEPT_SECONDS:
                raise KeysUnavailable(self._name)
        elif age > OVERDUE_SECONDS and not self._failed:
            await self._attempted()
        elif age > FRESH_SECONDS:
            self._begin()
        if key_id not in self._keys:
            await self._attempted()
        return self._keys.get(key_id)

    async def _attempted(self) -> None:
        """Wait for the attempt that is under way, or begin one if the last was long enough ago."""
        attempt = self._begin()
        if attempt is not None:
            # A caller that goes away must not take the attempt of the others along.
            await asyncio.shield(attempt)

    def _begin(self) -> asyncio.Task[None] | None:
        if self._attempt is not None and not self._attempt.done():
            return self._attempt
        if self._clock() - self._tried_at < PAUSE_SECONDS:
            return None
        self._tried_at = self._clock()
        self._attempt = asyncio.create_task(self._renew())
        return self._attempt

    async def _renew(self) -> None:
        from agentos_runtime.auth.keys import BadKeys, from_key_set  # noqa: PLC0415 - see there

        self._failed = True
        try:
            self._keys = from_key_set(await self._fetch(), self._algorithms)
            self._read_at = self._clock()
            self._failed = False
        except (FetchFailed, BadKeys) as error:
            kept = "the keys read last stay in use" if self._keys else "its tokens cannot be judged"
            _LOG.warning("the keys of the issuer %s were not read: %s; %s", self._name, error, kept)
        except Exception:
            _LOG.exception("the keys of the issuer %s were not read", self._name)
