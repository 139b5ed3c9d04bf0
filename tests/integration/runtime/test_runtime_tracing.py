"""Traces: sent whole to the collector that is named, without what was said, and never in the way of an answer."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{CALLERS_TRACE}-b7ad6b7169203331-01"


class Collector:
    """Takes OTLP over HTTP and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(ExportTraceServiceRequest.FromString(body), dict(self.headers.items()))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def take(self, request: ExportTraceServiceRequest, headers: dict[str, str]) -> None:
        self.headers.append({name.lower(): value for name, value in headers.items()})
        for resource in request.resource_spans:
            self.resources.append({a.key: a.value.string_value for a in resource.resource.attributes})
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def text(self) -> str:
        """Everything that the spans say."""
        return "\n".join(str(span) for span in self.spans)


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


def ask(process: Any, token: Callable[..., str], message: str, stream: str = "false") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token()}", "traceparent": TRACEPARENT}
    form = {"message": message, "stream": stream}
    return httpx.post(process.url + "/agents/support/runs", data=form, headers=headers, timeout=60)


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_run_is_one_trace_below_its_callers_and_holds_nothing_that_was_said(
    start: Callable[..., Any], token: Callable[..., str], collector: Collector, stream: str
) -> None:
    process = start(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS="authorization=planted-collector-key",
        OTEL_SERVICE_NAME="support",
        OTEL_RESOURCE_ATTRIBUTES="service.namespace=acme",
    )
    process.wait_until("/readyz")
    assert ask(process, token, 'call add {"a": 23571113, "b": 3}', stream).status_code == 200
    process.stop()
    names = collector.names()
    assert names.count("POST /agents/{agent_id}/runs") == 1
    assert any("OpenAIChat" in name for name in names)
    assert any("add" in name for name in names)
    assert {span.trace_id.hex() for span in collector.spans} == {CALLERS_TRACE}
    ids = {span.span_id for span in collector.spans}
    roots = [span.name for span in collector.spans if span.parent_span_id not in ids]
    assert roots == ["POST /agents/{agent_id}/runs"], "all others lie below it"
    assert "23571113" not in collector.text()
    assert ("llm.token_count.total" in collector.text()) is (stream == "false")
    assert not [name for name in names if "readyz" in name or "livez" in name]
    assert collector.resources[0]["service.name"] == "support"
    assert collector.resources[0]["service.namespace"] == "acme"
    assert collector.headers[0]["authorization"] == "planted-collector-key"
    assert "planted-collector-key" not in process.output


def test_the_text_of_an_error_is_not_sent_either(
    start: Callable[..., Any], token: Callable[..., str], collector: Collector
) -> None:
    process = start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    process.wait_until("/readyz")
    assert ask(process, token, "fail 400").status_code == 502
    process.stop()
    failed = [span for span in collector.spans if span.status.code == 2]
    assert failed
    assert not [span for span in collector.spans if span.events or span.status.message]


def test_what_was_said_is_sent_where_that_is_asked_for(
    start: Callable[..., Any], token: Callable[..., str], collector: Collector
) -> None:
    process = start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, AGENTOS_TRACING_CONTENT="true")
    process.wait_until("/readyz")
    assert ask(process, token, "remember 23571113").status_code == 200
    process.stop()
    assert "23571113" in collector.text()


def test_no_span_is_stored_in_the_workspaces_database(
    start: Callable[..., Any], token: Callable[..., str], collector: Collector, database: Any
) -> None:
    process = start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    process.wait_until("/readyz")
    assert ask(process, token, "Hello").status_code == 200
    process.stop()
    assert collector.spans
    tables = database.rows(
        f"SELECT tablename FROM pg_tables WHERE schemaname = '{database.schema}' AND tablename IN"
        " ('agno_spans', 'agno_traces')"
    )
    for (table,) in tables:
        assert database.rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_collector_that_is_away_holds_up_no_answer_and_no_end(
    start: Callable[..., Any], token: Callable[..., str], free_port: int
) -> None:
    process = start(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port}")
    process.wait_until("/readyz")
    assert ask(process, token, "Hello").status_code == 200
    began = time.monotonic()
    process.stop()
    assert time.monotonic() - began < 25, "a pod has 35 s after its streams"


def test_a_package_that_is_not_in_the_image_is_named(
    start: Callable[..., Any], tmp_path: Path, collector: Collector
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'opentelemetry.exporter.otlp.proto.http':\n"
        "            raise ModuleNotFoundError('planted', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    process = start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, PYTHONPATH=str(tmp_path))
    assert process.process.wait(60) == 78
    assert process.last_words()["reason"] == "TracingPackageMissing"
    assert "opentelemetry.exporter.otlp.proto.http" in process.last_words()["message"]


def test_a_protocol_that_is_not_offered_is_refused(start: Callable[..., Any], collector: Collector) -> None:
    process = start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert process.process.wait(60) == 78
    assert "http/protobuf" in process.last_words()["message"]
