"""Puts metrics and traces where things happen: one object that the application calls at a few moments of its life.

With neither of them on it does nothing, and nothing of either library is imported for tracing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agno.db.base import AsyncBaseDb
from sqlalchemy.ext.asyncio import AsyncEngine

from agentos_runtime.agents.compile import Components
from agentos_runtime.asgi import App
from agentos_runtime.http.requests import QUIET
from agentos_runtime.metrics import Metrics
from agentos_runtime.metrics.active import watch_queue
from agentos_runtime.metrics.models import measure_model
from agentos_runtime.metrics.pool import watch_pool
from agentos_runtime.metrics.requests import MeasuredRequests
from agentos_runtime.metrics.runs import count_runs
from agentos_runtime.settings import Settings
from agentos_spec import Spec

if TYPE_CHECKING:
    from agentos_runtime.tracing import Tracing


@dataclass(frozen=True)
class Observers:
    """Those that are on."""

    metrics: Metrics | None = None
    tracing: Tracing | None = None

    def of_storage(self, settings: Settings, spec: Spec, engine: AsyncEngine, database: AsyncBaseDb) -> None:
        """As the application is built: the pool, and the runs that are stored."""
        if self.metrics:
            watch_pool(engine, 2 * settings.database.pool_size, self.metrics.registry)
            count_runs(database, spec.ids, self.metrics)
            watch_queue(database)

    def of_models(self, components: Components) -> None:
        """Once the models are loaded: what they are asked, and how MCP servers are."""
        if self.tracing:
            self.tracing.instrument()
        if self.metrics:
            self.metrics.state.servers = lambda: [server.state() for server in components.servers]
            for used in components.models:
                measure_model(used.model, used.component, used.label, self.metrics)

    def of_schedules(self) -> Callable[[str, str], None]:
        """What becomes of the times of schedules."""
        metrics = self.metrics

        def count(schedule: str, status: str) -> None:
            if metrics:
                metrics.firings.labels(schedule, status).inc()

        return count

    def of_requests(self, app: App) -> App:
        """Outside of all other layers: what is asked and answered."""
        if self.metrics:
            app = MeasuredRequests(app, self.metrics, QUIET)
        return self.tracing.around(app, QUIET) if self.tracing else app
