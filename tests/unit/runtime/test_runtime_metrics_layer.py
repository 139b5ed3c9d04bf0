"""Counting: every way a request, a run or a model's call can end, once each."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from agno.db.base import AsyncBaseDb
from agno.metrics import MessageMetrics
from agno.models.openai import OpenAIChat
from agno.models.response import ModelResponse
from agno.run.base import RunStatus
from agno.run.concurrency import worker_managed_execution

from agentos_runtime.errors import StartupError
from agentos_runtime.metrics import Metrics
from agentos_runtime.metrics.active import watch_queue
from agentos_runtime.metrics.models import measure_model
from agentos_runtime.metrics.requests import MeasuredRequests
from agentos_runtime.metrics.runs import count_runs
from agentos_runtime.settings import settings_from
from tests.unit.runtime.test_runtime_settings import POD

LABELS = {"agent": "support", "model": "openai-chat:m"}
SSE = [(b"content-type", b"text/event-stream")]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


class Route:
    path = "/agents/{agent_id}/runs"


async def ask(metrics: Metrics, app: Any, **scope: Any) -> None:
    async def send(_: Any) -> None:
        return

    layer = MeasuredRequests(app, metrics, frozenset({"/livez"}))
    await layer({"type": "http", "method": "POST", "path": "/x", **scope}, cast("Any", None), send)


async def test_a_stream_that_breaks_is_open_no_longer() -> None:
    metrics = Metrics()

    async def breaks(scope: Any, _: Any, send: Any) -> None:
        scope["route"] = Route()
        await send({"type": "http.response.start", "status": 200, "headers": SSE})
        assert value(metrics, "agentos_streams") == 1
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await ask(metrics, breaks)
    assert value(metrics, "agentos_streams") == 0
    assert value(metrics, "agentos_requests_total", method="POST", route=Route.path, status="2xx") == 1
    assert value(metrics, "agentos_request_seconds_count", method="POST", route=Route.path) is None


async def test_a_caller_who_leaves_before_the_answer_is_no_fault_of_the_runtime() -> None:
    metrics = Metrics()

    async def never(*_: Any) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await ask(metrics, never)
    assert value(metrics, "agentos_requests_total", method="POST", route="unmatched", status="4xx") == 1


async def test_a_run_is_active_while_its_request_is_answered_and_no_longer_after_a_failure() -> None:
    metrics = Metrics()

    async def fails(*_: Any) -> None:
        assert value(metrics, "agentos_active_runs") == 1
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await ask(metrics, fails, path="/agents/support/runs")
    assert value(metrics, "agentos_active_runs") == 0


async def test_a_question_that_is_no_run_is_not_active() -> None:
    metrics = Metrics()

    async def looks(*_: Any) -> None:
        assert value(metrics, "agentos_active_runs") == 0

    await ask(metrics, looks, path="/agents/support/runs", method="GET")


async def test_a_background_run_counts_where_it_is_executed_and_not_in_the_request_that_follows_it() -> None:
    metrics, database = Metrics(), SimpleNamespace(enqueue_job=AsyncMock(return_value={"accepted": True}))
    watch_queue(cast("AsyncBaseDb", database))

    async def follows(*_: Any) -> None:
        accepted = await asyncio.create_task(database.enqueue_job({}, max_depth=1))
        assert accepted == {"accepted": True}
        assert value(metrics, "agentos_active_runs") == 0
        with worker_managed_execution("run", "worker", 1):
            assert value(metrics, "agentos_active_runs") == 1

    await ask(metrics, follows, path="/agents/support/runs")
    assert value(metrics, "agentos_active_runs") == 0


async def test_probes_are_not_counted() -> None:
    metrics = Metrics()

    async def alive(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    await ask(metrics, alive, path="/livez", method="GET")
    assert value(metrics, "agentos_requests_total", method="GET", route="unmatched", status="2xx") is None


class Stored:
    """Stands in for agno's database."""

    async def upsert_run(self, run: Any, session_id: str) -> None:
        if run.get("refused"):
            raise ConnectionRefusedError


async def test_a_run_that_is_stored_again_as_it_was_is_counted_once() -> None:
    metrics, database = Metrics(), cast("AsyncBaseDb", Stored())
    count_runs(database, {"support"}, metrics)
    run = {"run_id": "r", "agent_id": "support"}
    for status in ("RUNNING", "PAUSED", "PAUSED", "RUNNING", "PAUSED", RunStatus.completed, "COMPLETED"):
        await database.upsert_run(cast("Any", {**run, "status": status}), "s")
    assert value(metrics, "agentos_runs_total", agent="support", status="paused") == 2
    assert value(metrics, "agentos_runs_total", agent="support", status="completed") == 1


async def test_a_run_that_could_not_be_stored_is_not_counted() -> None:
    metrics, database = Metrics(), cast("AsyncBaseDb", Stored())
    count_runs(database, {"support"}, metrics)
    with pytest.raises(ConnectionRefusedError):
        await database.upsert_run(cast("Any", {"run_id": "r", "status": "ERROR", "refused": True}), "s")
    assert value(metrics, "agentos_runs_total", agent="other", status="failed") is None


async def test_an_agent_that_is_not_in_the_spec_adds_no_label() -> None:
    metrics, database = Metrics(), cast("AsyncBaseDb", Stored())
    count_runs(database, {"support"}, metrics)
    for number in range(3):
        run = {"run_id": str(number), "agent_id": f"planted-{number}", "status": "ERROR"}
        await database.upsert_run(cast("Any", run), "s")
    assert value(metrics, "agentos_runs_total", agent="other", status="failed") == 3


class Scripted(OpenAIChat):
    """A provider's class that asks nobody."""

    async def ainvoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
        return ModelResponse(response_usage=MessageMetrics(input_tokens=7, output_tokens=2, cache_read_tokens=5))

    async def ainvoke_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ModelResponse]:
        yield ModelResponse(content="a", response_usage=MessageMetrics(input_tokens=7))
        yield ModelResponse(content="b", response_usage=MessageMetrics(output_tokens=3))


def scripted(metrics: Metrics) -> Scripted:
    model = Scripted(id="m")
    measure_model(model, "support", "openai-chat:m", metrics)
    return model


async def test_usage_is_added_up_over_the_parts_of_a_stream_and_over_copies_of_a_model() -> None:
    metrics = Metrics()
    model = scripted(metrics)
    assert [part.content async for part in copy.copy(model).ainvoke_stream()] == ["a", "b"]
    await model.ainvoke()
    counted = {kind: value(metrics, "agentos_model_tokens_total", kind=kind, **LABELS) for kind in ("input", "output")}
    assert counted == {"input": 14, "output": 5}
    assert value(metrics, "agentos_model_tokens_total", kind="cache_read", **LABELS) == 5
    assert value(metrics, "agentos_model_call_seconds_count", outcome="answered", **LABELS) == 2
    assert value(metrics, "agentos_model_first_token_seconds_count", **LABELS) == 1


async def test_a_stream_that_nobody_reads_to_its_end_is_cancelled() -> None:
    metrics = Metrics()
    stream = cast("Any", scripted(metrics).ainvoke_stream())
    await anext(stream)
    await stream.aclose()
    assert value(metrics, "agentos_model_call_seconds_count", outcome="cancelled", **LABELS) == 1


def test_agno_sees_the_providers_class_by_its_name() -> None:
    model = scripted(Metrics())
    assert (type(model).__name__, model.to_dict()["id"]) == ("Scripted", "m")
    assert isinstance(model, OpenAIChat)


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "94 64", "9464.0"])
def test_a_metrics_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(StartupError, match="AGENTOS_METRICS_PORT"):
        settings_from(POD | {"AGENTOS_METRICS_PORT": port})


def test_nothing_is_measured_where_no_port_is_set() -> None:
    assert settings_from(dict(POD)).metrics_port is None
    assert settings_from(POD | {"AGENTOS_METRICS_PORT": "9464"}).metrics_port == 9464
