"""Two replicas on one database and one Redis: what a caller asks of one, the other does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from tests.integration.runtime import redis_server
from tests.integration.runtime.conftest import (
    PASSWORD,
    Database,
    Launch,
    Process,
    a_free_port,
    agent,
    make_token,
    pod_environ,
    start_runtime,
    write_spec,
)
from tests.integration.runtime.redis_server import RedisProcess

LONG = "wait 8 " + " ".join(f"word{n}" for n in range(40))


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """The Redis of all these tests."""
    with redis_server.running(tmp_path_factory.mktemp("redis"), a_free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def processes(
    tmp_path_factory: pytest.TempPathFactory, database: Database, model: Process, forked: Launch, lasting: RedisProcess
) -> Iterator[list[Process]]:
    """Two of them, ready."""
    folder = tmp_path_factory.mktemp("replicas")
    write_spec(folder, agent(model.url))
    environ = pod_environ(folder, database, AGENTOS_REDIS_URL=lasting.url)
    processes = [start_runtime(folder, environ, forked) for _ in range(2)]
    for process in processes:
        process.wait_until("/readyz")
    yield processes
    for process in processes:
        process.stop()
        assert PASSWORD not in process.output


@pytest.fixture
def redis(lasting: RedisProcess, processes: list[Process]) -> Iterator[RedisProcess]:
    """It is back after a test that took it away."""
    yield lasting
    lasting.recover(*(partial(getattr, process, "output") for process in processes))


@pytest.fixture
def replicas(processes: list[Process]) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Alice at the one and at the other."""
    headers = {"Authorization": f"Bearer {make_token()}"}
    here, there = (httpx.Client(base_url=process.url, headers=headers, timeout=60) for process in processes)
    with here, there:
        yield here, there


def frames(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream as they come."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


def ids_of(stream: Iterator[dict[str, Any]]) -> tuple[str, str]:
    """Run and session, once the answer has begun."""
    for event in stream:
        if event["event"] == "RunContent":
            return event["run_id"], event["session_id"]
    raise AssertionError("the stream ended before its answer began")


def begin(client: httpx.Client, message: str, **form: str) -> Any:
    return client.stream("POST", "/agents/support/runs", data={"message": message, "stream": "true", **form})


def status_of(client: httpx.Client, run_id: str, session_id: str) -> str:
    answer = client.get(f"/agents/support/runs/{run_id}", params={"session_id": session_id})
    status: str = answer.json()["status"]
    return status


def await_status(client: httpx.Client, run_id: str, session_id: str, status: str) -> None:
    deadline = time.monotonic() + 30
    while (found := status_of(client, run_id, session_id)) != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


@pytest.mark.parametrize("background", ["true", "false"], ids=["a background run", "a stream"])
def test_a_run_is_cancelled_through_the_other_replica(
    replicas: tuple[httpx.Client, httpx.Client], background: str
) -> None:
    here, there = replicas
    with begin(here, LONG, background=background) as response:
        stream = frames(response)
        run_id, session_id = ids_of(stream)
        began = time.monotonic()
        cancelled = there.post(f"/agents/support/runs/{run_id}/cancel", params={"session_id": session_id})
        assert cancelled.status_code == 200
        assert "RunCancelled" in [event["event"] for event in stream]
    assert time.monotonic() - began < 4
    await_status(there, run_id, session_id, "CANCELLED")


def test_a_run_is_followed_to_its_end_on_the_other_replica(replicas: tuple[httpx.Client, httpx.Client]) -> None:
    here, there = replicas
    with begin(here, LONG, background="true") as response:
        run_id, session_id = ids_of(frames(response))
    form = {"session_id": session_id, "last_event_index": "0"}
    with there.stream("POST", f"/agents/support/runs/{run_id}/resume", data=form) as response:
        told = list(frames(response))
    assert told[-1]["event"] == "RunCompleted"
    said = "".join(event["content"] for event in told if event["event"] == "RunContent")
    assert said.endswith("word38 word39")
    indices = [event["event_index"] for event in told if "event_index" in event]
    assert indices == sorted(set(indices))


def test_a_cancellation_that_reaches_nobody_is_503_and_not_a_success(
    replicas: tuple[httpx.Client, httpx.Client], redis: RedisProcess
) -> None:
    here, there = replicas
    with begin(here, LONG, background="true") as response:
        run_id, session_id = ids_of(frames(response))
    redis.pause()
    path, where = f"/agents/support/runs/{run_id}/cancel", {"session_id": session_id}
    refused = there.post(path, params=where)
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == "2"
    assert here.post(path, params=where).status_code == 200
    await_status(there, run_id, session_id, "CANCELLED")


def test_both_replicas_publish_and_every_run_is_told_once_and_in_order(
    replicas: tuple[httpx.Client, httpx.Client], redis: RedisProcess
) -> None:
    runs = []
    for number in range(20):
        answer = replicas[number % 2].post("/agents/support/runs", data={"message": f"{number}", "stream": "false"})
        runs.append(answer.json()["run_id"])
    for run_id in runs:
        redis.await_events("run.completed", run_id=run_id)
    events = [event for event in redis.events() if event["data"]["run_id"] in runs]
    assert len({event["id"] for event in events}) == len(events) == 40
    told = [(event["data"]["run_id"], event["type"]) for event in events]
    for run_id in runs:
        assert [type_ for id_, type_ in told if id_ == run_id] == ["agentos.run.started", "agentos.run.completed"]


def test_a_redis_that_goes_in_the_middle_ends_whoever_follows_the_run_and_not_the_run(
    replicas: tuple[httpx.Client, httpx.Client], redis: RedisProcess
) -> None:
    here, there = replicas
    with begin(here, LONG, background="true") as response:
        stream = frames(response)
        run_id, session_id = ids_of(stream)
        redis.kill()
        assert "the run goes on" in json.dumps(list(stream)[-1])
    await_status(there, run_id, session_id, "COMPLETED")
