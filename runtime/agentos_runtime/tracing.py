"""Spans of requests, runs, model calls and tools, sent to the collector that the environment names.

The standard OTEL_* variables say where to and how much (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
The provider is this object's own and not the process's: with a global one FastAPI would add spans of its own for every
probe, and agno's `tracing=True` would store them all in the workspace's database. Imported only where tracing is on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from openinference.instrumentation.agno import AgnoInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from agentos_runtime.asgi import App, Message, Receive, Scope, Send
from agentos_runtime.settings import TracingSettings

_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
"""Hold the collector's credentials; taken out of the environment, which tools can read."""

_LAST_MILLISECONDS = 5000
"""How long the end of a process waits for its collector."""


_TOLD = ("http.", "session.", "user.", "agno.agent.", "graph.node.", "llm.token_count.")
_TOLD_WHOLE = frozenset({"openinference.span.kind", "llm.model_name", "llm.provider", "llm.system", "tool.name"})
"""Attributes that hold nothing of what was said: beginnings of names, and whole ones."""


class _Wordless(OTLPSpanExporter):
    """Leaves out what was said; the instrumentation's own switches would leave tools' arguments and errors' texts."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Of each span, what is known to be harmless."""
        return super().export([_wordless(span) for span in spans])


def _wordless(span: ReadableSpan) -> ReadableSpan:
    told = {key: value for key, value in (span.attributes or {}).items() if _is_told(key)}
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=told,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _is_told(name: str) -> bool:
    return name in _TOLD_WHOLE or name.startswith(_TOLD)


class Tracing:
    """The provider and what is instrumented with it."""

    def __init__(self, settings: TracingSettings) -> None:
        self._provider = TracerProvider(shutdown_on_exit=False)
        exporter = OTLPSpanExporter() if settings.content else _Wordless()
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        for name in _HEADERS:
            os.environ.pop(name, None)

    def instrument(self) -> None:
        """Trace what agno does from now on. Imports every provider that is installed, so it is for the warm-up."""
        AgnoInstrumentor().instrument(tracer_provider=self._provider, skip_dep_check=True)

    def around(self, app: App, untraced: frozenset[str]) -> App:
        """A span for each request to `app`, below that of the caller where it names one."""
        return _TracedRequests(app, self._provider, untraced)


class _TracedRequests:
    """A server's span with the attributes that OpenTelemetry gives HTTP, and nothing that a caller wrote."""

    def __init__(self, app: App, provider: TracerProvider, untraced: frozenset[str]) -> None:
        self._app = app
        self._provider = provider
        self._tracer = provider.get_tracer("agentos_runtime")
        self._untraced = untraced
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._ending(send))
        elif scope["type"] != "http" or scope["path"] in self._untraced:
            await self._app(scope, receive, send)
        else:
            await self._traced(scope, receive, send)

    def _ending(self, send: Send) -> Send:
        """Send what is left once everything has ended: uvicorn dies of the signal that it was stopped by."""

        async def ending(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await asyncio.to_thread(self._provider.force_flush, _LAST_MILLISECONDS)
            await send(message)

        return ending

    async def _traced(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        parent = self._propagator.extract(headers)
        with self._tracer.start_as_current_span(
            scope["method"], context=parent, kind=SpanKind.SERVER, record_exception=False
        ) as span:
            try:
                await self._app(scope, receive, noting)
            finally:
                route = getattr(scope.get("route"), "path", None)
                span.update_name(f"{scope['method']} {route or 'unmatched'}")
                span.set_attributes({"http.request.method": scope["method"], "http.response.status_code": status})
                if route:
                    span.set_attribute("http.route", route)
                if status >= 500:
                    span.set_status(Status(StatusCode.ERROR))
