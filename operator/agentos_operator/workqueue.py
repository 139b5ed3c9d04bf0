"""The work queue: many events about one resource become one reconciliation, and none runs twice at once.

Modelled on the rules of Kubernetes' own workqueue (https://pkg.go.dev/k8s.io/client-go/util/workqueue): a key marked
while it waits is the same work; a key marked while it runs runs once more. Failures come back after a delay that
doubles, with jitter; a success comes back at the resync.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from agentos_operator.errors import OperatorError

logger = logging.getLogger(__name__)

FIRST_DELAY = 0.25
"""Seconds before the first repetition."""
LONGEST_DELAY = 30.0
"""Seconds between repetitions at the most; what waits for a cause outside is looked at this often."""
GLANCES = 5
"""Of so many looks and one more that nothing but time asks for, one is whole: with the usual resync, once an hour."""

Glance = Callable[[], Awaitable[bool]]
"""Whether all that no watch tells of is as the last whole look has left it."""


class Key(NamedTuple):
    """A resource to reconcile."""

    kind: str
    namespace: str | None
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


@dataclass(frozen=True)
class Again:
    """What a reconciliation asks for: nothing more for now, or another look soon."""

    settled: bool
    """Whether the resource is as it should be; if not, it is looked at again with growing delay."""
    within: float | None = None
    """Seconds after which it is looked at again at the latest, because something falls due by then."""
    glance: Glance | None = None
    """Stands for the next looks that nothing but time asks for; None where only a whole look can."""
    glances: int = GLANCES
    """How many it may stand for."""


SETTLED = Again(settled=True)
UNSETTLED = Again(settled=False)

Reconcile = Callable[[Key], Awaitable[Again | None]]
"""Reconciles one key; None when the resource no longer exists."""


class Queue:
    """Deduplicates keys and hands them to workers."""

    def __init__(self, reconcile: Reconcile, resync_seconds: float) -> None:
        self._reconcile = reconcile
        self._resync_seconds = resync_seconds
        self._waiting: deque[Key] = deque()
        self._queued: dict[Key, float] = {}
        self._running: set[Key] = set()
        self._marked_while_running: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._rests: dict[Key, tuple[Again, float]] = {}
        self._wakeup = asyncio.Semaphore(0)

    def mark(self, key: Key) -> None:
        """Something about ``key`` may have changed."""
        self._rests.pop(key, None)
        self._enqueue(key)

    def _enqueue(self, key: Key) -> None:
        self._cancel_timer(key)
        if key in self._running:
            self._marked_while_running.add(key)
        elif key not in self._queued:
            self._queued[key] = time.monotonic()
            self._waiting.append(key)
            self._wakeup.release()

    def rest(self, key: Key, seconds: float) -> None:
        """Nothing about ``key`` has changed, whatever was marked before: look at it in so many seconds."""
        self._cancel_timer(key)
        self._queued.pop(key, None)
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self.mark, key)

    def resting(self) -> dict[Key, float]:
        """Keys of which nothing is known that is to be done, with the seconds until they are looked at again."""
        now, busy = asyncio.get_running_loop().time(), self.busy
        return {key: max(0.0, timer.when() - now) for key, timer in self._timers.items() if key not in busy}

    @property
    def busy(self) -> set[Key]:
        """Keys that wait for a worker, that one works on or was stopped from, or that are not as they should be."""
        return {*self._queued, *self._running, *self._failures}

    async def run(self, workers: int) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work())

    @property
    def waiting(self) -> int:
        """How many keys wait for a worker."""
        return len(self._queued)

    @property
    def oldest_seconds(self) -> float:
        """How long the longest waiting key has waited, in seconds; grows when all workers hang."""
        return time.monotonic() - min(self._queued.values()) if self._queued else 0.0

    async def _work(self) -> None:
        while True:
            await self._wakeup.acquire()
            key = self._waiting.popleft()
            if self._queued.pop(key, None) is None:
                continue  # laid to rest since
            self._running.add(key)
            again = await self._glance(key) or await self._attempt(key)
            self._running.discard(key)
            self._schedule(key, again)

    async def _glance(self, key: Key) -> Again | None:
        """What holds on of the last look; None where a whole one is needed."""
        again, since = self._rests.pop(key, (UNSETTLED, 0.0))
        if again.glance is None or again.glances == 0:
            return None
        rested = asyncio.get_running_loop().time() - since
        within = None if again.within is None else again.within - rested
        if within is not None and within < FIRST_DELAY:
            return None
        try:
            still = await again.glance()
        except Exception as error:
            logger.info("a glance at %s failed, so all of it is looked at: %s", key, describe(error))
            return None
        return replace(again, within=within, glances=again.glances - 1) if still else None

    async def _attempt(self, key: Key) -> Again | None:
        try:
            return await self._reconcile(key)
        except Exception as error:
            # The type and our own errors' text only: a foreign exception could quote a secret.
            logger.warning("reconciling %s failed and will be repeated: %s", key, describe(error))
            return UNSETTLED

    def _schedule(self, key: Key, again: Again | None) -> None:
        if key in self._marked_while_running:
            self._marked_while_running.discard(key)
            if again is not None and again.settled:
                self._failures.pop(key, None)
            self.mark(key)
        elif again is None:
            self._failures.pop(key, None)
        else:
            delay = self._delay(key, again)
            if again.within is not None:
                delay = min(delay, max(again.within, FIRST_DELAY))
            loop = asyncio.get_running_loop()
            if again.settled:
                self._rests[key] = again, loop.time()
            self._timers[key] = loop.call_later(delay, self._enqueue, key)

    def _delay(self, key: Key, again: Again) -> float:
        if again.settled:
            self._failures.pop(key, None)
            return self._resync_seconds * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return min(FIRST_DELAY * 2.0 ** min(failures - 1, 16), LONGEST_DELAY) * random.uniform(0.8, 1.2)  # noqa: S311

    def _cancel_timer(self, key: Key) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()


def describe(error: BaseException) -> str:
    """The error as one line that holds no secret: foreign errors are named, not quoted."""
    return f"{type(error).__name__}: {error}" if isinstance(error, OperatorError) else type(error).__name__
