"""What a scrape of a runtime says after real runs, and what it never says."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.apiserver import eventually
from tests.integration.runtime.conftest import (
    API_KEY,
    PASSWORD,
    SECRET,
    Database,
    Launch,
    Process,
    a_free_port,
    agent,
    pod_environ,
    start_runtime,
    write_spec,
)

RUNS = "/agents/{agent_id}/runs"
MODEL = {"agent": "support", "model": "openai-chat:gpt-4o-mini"}


class Scraped:
    """The samples of one scrape, and those of the scrape at the beginning of the test."""

    def __init__(self, text: str, before: Scraped | None = None) -> None:
        self.text, self._before = text, before
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples of a name that carry these labels."""
        return sum(s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items())

    def added(self, name: str, **labels: str) -> float:
        """What the test has added to that."""
        return self.value(name, **labels) - (self._before.value(name, **labels) if self._before else 0)


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return a_free_port()


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, database: Database, model: Process, forked: Launch, metrics_port: int
) -> Iterator[Process]:
    """A ready runtime with a metrics port."""
    folder = tmp_path_factory.mktemp("metrics")
    write_spec(folder, agent(model.url))
    process = start_runtime(folder, pod_environ(folder, database, AGENTOS_METRICS_PORT=str(metrics_port)), forked)
    process.wait_until("/readyz")
    yield process
    process.stop()
    assert PASSWORD not in process.output


@pytest.fixture
def measured(served: Process, token: Callable[..., str]) -> Iterator[httpx.Client]:
    """It, spoken to as alice."""
    headers = {"Authorization": f"Bearer {token()}"}
    with httpx.Client(base_url=served.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def scrape(served: Process, metrics_port: int) -> Callable[[], Scraped]:
    def text() -> str:
        return httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", timeout=10).text

    before = Scraped(text())
    return lambda: Scraped(text(), before)


def run(client: httpx.Client, message: str, **form: str) -> httpx.Response:
    return client.post("/agents/support/runs", data={"message": message, "stream": "false", **form})


def test_runs_are_counted_by_how_they_ended(measured: httpx.Client, scrape: Callable[[], Scraped]) -> None:
    assert run(measured, "Hello").status_code == 200
    assert run(measured, "count 5", stream="true").status_code == 200
    assert run(measured, "fail 400").status_code == 502
    paused = run(measured, 'call divide {"a": 6, "b": 2}').json()
    done = measured.post(
        f"/agents/support/runs/{paused['run_id']}/continue",
        data={
            "tools": json.dumps([{**paused["tools"][0], "confirmed": True}]),
            "session_id": paused["session_id"],
            "stream": "false",
        },
    )
    assert done.json()["status"] == "COMPLETED"
    found = scrape()
    told = [s.labels["status"] for s in found.samples if s.name == "agentos_runs_total"]
    counted = {status: found.added("agentos_runs_total", status=status) for status in told}
    assert {status: count for status, count in counted.items() if count} == {"completed": 3, "failed": 1, "paused": 1}
    assert found.added("agentos_model_call_seconds_count", outcome="answered", **MODEL) == 4
    assert found.added("agentos_model_call_seconds_count", outcome="failed", **MODEL) == 1
    assert found.added("agentos_model_first_token_seconds_count", **MODEL) == 1
    for kind in ("input", "output"):
        assert found.added("agentos_model_tokens_total", kind=kind, **MODEL) > 0


def test_requests_are_counted_by_route_and_never_by_what_a_caller_sent(
    measured: httpx.Client, scrape: Callable[[], Scraped]
) -> None:
    session = run(measured, "planted words").json()["session_id"]
    measured.get(f"/sessions/{session}?planted=query")
    measured.get("/planted/path")
    measured.request("PLANTED", "/agents")
    measured.get("/agents", headers={"Authorization": "Bearer planted"})
    found = scrape()
    assert found.added("agentos_requests_total", method="POST", route=RUNS, status="2xx") == 1
    assert found.added("agentos_requests_total", method="GET", route="/sessions/{session_id}", status="2xx") == 1
    assert found.added("agentos_requests_total", method="GET", route="unmatched", status="4xx") == 2
    assert found.added("agentos_requests_total", method="other") == 1
    for told in ("planted", "alice", session, "acme", PASSWORD, SECRET, API_KEY):
        assert told.lower() not in found.text.lower()


def test_an_open_stream_is_seen_while_it_is_open(measured: httpx.Client, scrape: Callable[[], Scraped]) -> None:
    form = {"message": "wait 3 a long answer", "stream": "true"}
    with measured.stream("POST", "/agents/support/runs", data=form) as response:
        lines = response.iter_lines()
        next(line for line in lines if line.startswith("event:"))
        during = scrape()
        list(lines)
    assert during.value("agentos_streams") == 1
    assert during.value("agentos_active_runs") == 1
    # A client has its last byte before the process has put its books in order.
    eventually(lambda: scrape().value("agentos_streams") == 0, "the stream is closed")
    eventually(lambda: scrape().added("agentos_stream_seconds_count", route=RUNS) == 1, "its time is counted")


def test_a_background_run_is_active_until_it_has_ended(measured: httpx.Client, scrape: Callable[[], Scraped]) -> None:
    form = {"message": "wait 3 a long answer", "stream": "true", "background": "true"}
    with measured.stream("POST", "/agents/support/runs", data=form) as response:
        lines = response.iter_lines()
        next(line for line in lines if line.startswith("event:"))
        eventually_active(scrape, 1)
        list(lines)
    eventually_active(scrape, 0)


def eventually_active(scrape: Callable[[], Scraped], runs: int) -> None:
    eventually(lambda: scrape().value("agentos_active_runs") == runs, f"{runs} runs are active")


def test_the_pool_the_process_and_its_versions_are_told(measured: httpx.Client, scrape: Callable[[], Scraped]) -> None:
    run(measured, "Hello")
    found = scrape()
    assert found.value("agentos_database_connections", state="idle") > 0
    assert found.value("agentos_database_connections", state="used") == 0
    assert found.value("agentos_database_connections_limit") == 10
    assert found.value("process_resident_memory_bytes") > 1e6
    (build,) = [s for s in found.samples if s.name == "agentos_build_info"]
    assert build.labels["agno"].startswith("3.")


def test_callers_of_the_agents_find_no_metrics_on_their_port(measured: httpx.Client) -> None:
    assert "agentos_requests" not in measured.get("/metrics").text
    assert httpx.get(f"{measured.base_url}/metrics").status_code == 401


def test_a_scrape_is_answered_while_many_are_open_and_say_nothing(
    measured: httpx.Client, metrics_port: int, scrape: Callable[[], Scraped]
) -> None:
    silent = [socket.create_connection(("127.0.0.1", metrics_port)) for _ in range(20)]
    answered: list[Scraped] = []
    asking = threading.Thread(target=lambda: answered.append(scrape()))
    asking.start()
    asking.join(10)
    for connection in silent:
        connection.close()
    assert answered


def test_a_metrics_port_that_is_taken_ends_the_process_with_its_reason(start: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(AGENTOS_METRICS_PORT=str(taken.getsockname()[1]))
        assert process.process.wait(60) == 78
    assert process.last_words()["reason"] == "InvalidSettings"
    assert "AGENTOS_METRICS_PORT" in process.last_words()["message"]
