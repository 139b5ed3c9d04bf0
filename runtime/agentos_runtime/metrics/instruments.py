"""The instruments of one process, and the port where they are read.

Made by the server when a metrics port is set. A thread answers, so that an event loop which a tool holds up does not
hide just that from Prometheus.
"""

from __future__ import annotations

import sys
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    start_http_server,
)

from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.metrics.active import ActiveRuns
from agentos_runtime.metrics.state import State

_REQUEST_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120)
_STREAM_SECONDS = (1, 5, 15, 60, 300, 1800)
_MODEL_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """All instruments; docs/observability.md lists them for those who read them."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        build = Info("agentos_build", "Versions of this process", registry=registry)
        versions = {"version": version("agentos-kubernetes"), "agno": version("agno")}
        build.info({**versions, "python": sys.version.split()[0]})
        self.state = State(versions)
        self.requests = Counter(
            "agentos_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "agentos_request_seconds",
            "Time to the end of an answer that is no stream",
            ["method", "route"],
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self.streams = Gauge("agentos_streams", "Event streams that are open", registry=registry)
        self.stream_seconds = Histogram(
            "agentos_stream_seconds",
            "Time to the end of an event stream",
            ["route"],
            buckets=_STREAM_SECONDS,
            registry=registry,
        )
        self.active = ActiveRuns(registry)
        self.runs = Counter("agentos_runs", "Runs that came to this status", ["agent", "status"], registry=registry)
        self.firings = Counter(
            "agentos_schedule_firings",
            "Times of schedules, by what became of them",
            ["schedule", "status"],
            registry=registry,
        )
        self.model_seconds = Histogram(
            "agentos_model_call_seconds",
            "Time to the end of a model's answer",
            ["agent", "model", "outcome"],
            buckets=_MODEL_SECONDS,
            registry=registry,
        )
        self.first_token_seconds = Histogram(
            "agentos_model_first_token_seconds",
            "Time to the first part of a streamed answer of a model",
            ["agent", "model"],
            buckets=_MODEL_SECONDS,
            registry=registry,
        )
        self.tokens = Counter(
            "agentos_model_tokens", "Tokens that a model counted", ["agent", "model", "kind"], registry=registry
        )

    def serve(self, host: str, port: int) -> None:
        """Answer scrapes, and the operator, until the process ends."""
        try:
            server, _ = start_http_server(port, host, self.registry)
        except OSError as error:
            message = f"AGENTOS_METRICS_PORT {port} cannot be opened ({error.strerror}); set another one, or none"
            raise StartupError(Reason.INVALID_SETTINGS, message) from error
        server.set_app(self.state.before(server.get_app()))  # type: ignore[arg-type] # typeshed wants its own protocol
