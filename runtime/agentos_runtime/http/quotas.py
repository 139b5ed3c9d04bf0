"""How much one caller may ask of one pod: requests per minute, and runs at the same time.

Counted in the pod, without a store that all replicas share: with n replicas a caller gets up to n times as much. It
is there to keep one runaway client from taking a pod away from all others, not to bill anybody.
"""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from agentos_runtime.asgi import App, Receive, Scope, Send, state_of
from agentos_runtime.http.problems import send_problem
from agentos_spec import Limits

_MOST_CALLERS = 10_000
"""Callers that are remembered; the one who was silent for longest is forgotten first."""
_RUN_RETRY_SECONDS = 5
"""When a run may have ended: nobody knows, and a caller must not ask all the time."""


class Quotas:
    """429 with Retry-After for whoever is beyond a limit. Stands behind authentication: callers are users."""

    def __init__(self, app: App, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._limits = limits
        self._rate = Rate(limits.requests_per_user_per_minute, clock)
        self._running: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity = state_of(scope).get("identity") if scope["type"] == "http" else None
        if identity is None:
            await self._app(scope, receive, send)
            return
        user: str = identity.user
        if wait := self._rate.wait(user):
            await _too_many(scope, send, "requests in a minute by this user", wait)
        elif is_run(scope):
            await self._run(user, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _run(self, user: str, scope: Scope, receive: Receive, send: Send) -> None:
        if self._running.total() >= self._limits.concurrent_runs:
            await _too_many(scope, send, "runs at once in this pod", _RUN_RETRY_SECONDS)
            return
        if self._running[user] >= self._limits.concurrent_runs_per_user:
            await _too_many(scope, send, "runs at once by this user", _RUN_RETRY_SECONDS)
            return
        self._running[user] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running[user] -= 1
            if not self._running[user]:
                del self._running[user]


class Rate:
    """A bucket for each caller that holds a minute's requests and fills evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str) -> int:
        """Take one; 0, or the seconds after which there is one again."""
        now = self._clock()
        left, then = self._buckets.pop(caller, (self._capacity, now))
        left = min(self._capacity, left + (now - then) * self._per_second)
        admitted = left >= 1
        self._buckets[caller] = (left - admitted, now)
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        return 0 if admitted else math.ceil((1 - left) / self._per_second)


def is_run(scope: Scope) -> bool:
    """Whether a request starts or continues a run, and so keeps a model busy."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return False
    path: str = scope["path"]
    return path.rstrip("/").endswith(("/runs", "/continue"))


async def _too_many(scope: Scope, send: Send, what: str, seconds: int) -> None:
    retry = (b"retry-after", str(seconds).encode())
    await send_problem(scope, send, 429, f"Too many {what}. Try again in {seconds} seconds.", [retry])
