"""How many runs this process executes now: what an autoscaler counts pods by.

A run in the foreground lasts as long as its request. A background run is a row of agno's queue: the request that left
it there is over for this purpose, also when it goes on to follow the run's events, and the run counts in the process
that has taken it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from agno.db.base import AsyncBaseDb
from agno.run import concurrency
from prometheus_client import CollectorRegistry, Gauge

from agentos_runtime.asgi import Scope
from agentos_runtime.http.quotas import is_run


class ActiveRuns:
    """Counts; read when somebody scrapes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests: set[_Request] = set()
        gauge = Gauge("agentos_active_runs", "Runs that this process executes", registry=registry)
        gauge.set_function(self._count)

    def _count(self) -> int:
        # agno's own record of what its queue's worker executes, which it also takes entries out of after a failure.
        return len(self._requests) + len(concurrency._worker_managed_runs)

    @contextmanager
    def counting(self, scope: Scope) -> Iterator[None]:
        """Count the run of a request, if it is one, until the request ends or leaves its run in the queue."""
        if not is_run(scope):
            yield
            return
        request = _Request(self._requests)
        token = _CURRENT.set(request)
        try:
            yield
        finally:
            _CURRENT.reset(token)
            request.end()


class _Request:
    """One that executes a run; tasks that it starts inherit it."""

    def __init__(self, executing: set[_Request]) -> None:
        self._executing = executing
        executing.add(self)

    def end(self) -> None:
        """It executes none any more."""
        self._executing.discard(self)


_CURRENT: ContextVar[_Request | None] = ContextVar("current", default=None)


def watch_queue(database: AsyncBaseDb) -> None:
    """Have this very object tell when a request leaves its run in the queue; a laptop's file has no queue."""
    for name in ("enqueue_job", "continue_job"):
        if accept := getattr(database, name, None):
            setattr(database, name, _handing_over(accept))


def _handing_over(accept: Any) -> Any:
    async def accepting(*args: Any, **kwargs: Any) -> Any:
        answer = await accept(*args, **kwargs)
        if request := _CURRENT.get():
            request.end()
        return answer

    return accepting
