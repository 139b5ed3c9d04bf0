"""What Prometheus is told about the operator, and the port where it reads it.

``service.Operator`` makes the instruments, ``__main__`` serves them where a port is set. No label holds a name of a
tenant or of a resource: kinds, results and queues are few.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter as Tally
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from agentos_operator.errors import SettingsError
from agentos_operator.resources.common import Object
from agentos_operator.workqueue import Again, Key, Queue, Reconcile

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)


class Metrics:
    """All instruments; docs/observability.md lists them for those who read them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._ready: dict[Key, str] = {}
        ProcessCollector(registry=self.registry)
        build = Info("agentos_operator_build", "Versions of this process", registry=self.registry)
        build.info({"version": version("agentos-kubernetes"), "python": sys.version.split()[0]})
        self._count = Counter(
            "agentos_operator_reconciliations",
            "Reconciliations that ended",
            ["kind", "result"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "agentos_operator_reconciliation_seconds",
            "Time of one reconciliation",
            ["kind"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._taken_over = Counter(
            "agentos_operator_taken_over",
            "Resources that an earlier operator had left settled and nobody had changed since",
            ["kind"],
            registry=self.registry,
        )
        self._tasks = Gauge(
            "agentos_operator_tasks", "What goes on side by side in this process", registry=self.registry
        )

    def exposition(self) -> bytes:
        """The answer to a scrape; asked for in the loop whose tasks are counted."""
        self._tasks.set(len(asyncio.all_tasks()))
        return generate_latest(self.registry)

    def measured(self, reconcile: Reconcile) -> Reconcile:
        """``reconcile``, timed and counted by how it ended."""

        async def run(key: Key) -> Again | None:
            began = time.perf_counter()
            try:
                again = await reconcile(key)
            except Exception:
                self._ended(key, "failed", began)
                raise
            self._ended(key, _result(again), began)
            return again

        return run

    def taken_over(self, key: Key) -> None:
        """The resource needs no look for now."""
        self._taken_over.labels(key.kind).inc()

    def observe(self, body: Object, *, deleted: bool) -> None:
        """A Workspace or an AgentDeployment was added, changed or deleted: remember whether it is Ready."""
        key = Key(body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"])
        if deleted:
            self._ready.pop(key, None)
        else:
            self._ready[key] = _ready(body)

    def watch(self, queues: Mapping[str, Queue], is_leading: Callable[[], bool]) -> None:
        """Tell the state of these queues, of the leadership and of the resources whenever somebody asks."""
        self.registry.register(_State(queues, is_leading, self._ready))

    def _ended(self, key: Key, result: str, began: float) -> None:
        self._count.labels(key.kind, result).inc()
        self._seconds.labels(key.kind).observe(time.perf_counter() - began)


class _State(Collector):
    """What is read rather than counted."""

    def __init__(self, queues: Mapping[str, Queue], is_leading: Callable[[], bool], ready: Mapping[Key, str]) -> None:
        self._queues = queues
        self._is_leading = is_leading
        self._ready = ready

    def collect(self) -> Iterator[Metric]:
        """Gauges of this moment."""
        yield GaugeMetricFamily(
            "agentos_operator_leader", "1 where this replica works, 0 where it waits", value=float(self._is_leading())
        )
        keys = GaugeMetricFamily("agentos_operator_queue_keys", "Resources that wait for a worker", labels=["queue"])
        oldest = GaugeMetricFamily(
            "agentos_operator_queue_oldest_seconds", "How long the first of them has waited", labels=["queue"]
        )
        for name, queue in self._queues.items():
            keys.add_metric([name], queue.waiting)
            oldest.add_metric([name], queue.oldest_seconds)
        yield from (keys, oldest)
        resources = GaugeMetricFamily(
            "agentos_operator_resources", "Resources by their condition Ready", labels=["kind", "ready"]
        )
        for (kind, ready), count in Tally((key.kind, ready) for key, ready in self._ready.items()).items():
            resources.add_metric([kind, ready], count)
        yield resources


@asynccontextmanager
async def served(metrics: Metrics, host: str, port: int | None) -> AsyncIterator[None]:
    """Answer scrapes for as long as the context lasts; in the loop that works, so that nothing changes meanwhile.

    Raises:
        SettingsError: the port cannot be opened.
    """
    if port is None:
        yield
        return

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise SettingsError(f"--metrics-port {port} cannot be opened: {error.strerror}") from error
    try:
        yield
    finally:
        await runner.cleanup()


def _result(again: Again | None) -> str:
    if again is None:
        return "gone"
    return "settled" if again.settled else "unsettled"


def _ready(body: Object) -> str:
    """Status of the condition Ready; Unknown where there is none yet."""
    conditions = body.get("status", {}).get("conditions", ())
    status = next((each["status"] for each in conditions if each["type"] == "Ready"), "Unknown")
    return status if status in ("True", "False") else "Unknown"
