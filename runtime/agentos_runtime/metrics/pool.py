"""The database connections of this process, read when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool


class _Pool(Collector):
    def __init__(self, pool: QueuePool, limit: int) -> None:
        self._pool = pool
        self._limit = limit

    def collect(self) -> Iterator[Metric]:
        """Both gauges."""
        open_ = GaugeMetricFamily("agentos_database_connections", "Open connections of the pool", labels=["state"])
        open_.add_metric(["used"], self._pool.checkedout())
        open_.add_metric(["idle"], self._pool.checkedin())
        yield open_
        yield GaugeMetricFamily("agentos_database_connections_limit", "As many may be open", value=self._limit)


def watch_pool(engine: AsyncEngine, limit: int, registry: CollectorRegistry) -> None:
    """Register the pool of an engine; a laptop's file has one that counts nothing."""
    if isinstance(engine.pool, QueuePool):
        registry.register(_Pool(engine.pool, limit))
