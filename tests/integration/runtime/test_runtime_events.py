"""Events in a Redis Stream: what the platform's event bus sees of runs, and what runs notice of Redis: nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from local.pki import Authority, Identity
from tests.integration.apiserver import eventually
from tests.integration.runtime import redis_server
from tests.integration.runtime.conftest import (
    PASSWORD,
    Database,
    Launch,
    Process,
    Server,
    a_free_port,
    agent,
    pod_environ,
    start_runtime,
    write_spec,
)
from tests.integration.runtime.redis_server import RedisProcess

Start = Callable[..., Process]
PAGE = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """The Redis of those tests that leave a runtime as it is."""
    with redis_server.running(tmp_path_factory.mktemp("redis"), a_free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def runtime(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: Server,
    in_schema_of: Callable[[Server], AbstractContextManager[Database]],
    model: Process,
    forked: Launch,
    lasting: RedisProcess,
) -> Iterator[Process]:
    """One that has it, in a schema of its own: it would tell what others wait for."""
    folder = tmp_path_factory.mktemp("events")
    write_spec(folder, agent(model.url))
    with in_schema_of(postgres) as database:
        process = start_runtime(folder, pod_environ(folder, database, AGENTOS_REDIS_URL=lasting.url), forked)
        process.wait_until("/readyz")
        yield process
        process.stop()
    assert redis_server.PASSWORD not in process.output
    assert PASSWORD not in process.output


@pytest.fixture
def bus(lasting: RedisProcess, runtime: Process) -> Iterator[RedisProcess]:
    """It is back after a test that took it away."""
    yield lasting
    lasting.recover(lambda: runtime.output)


@pytest.fixture
def alice(runtime: Process, token: Callable[..., str]) -> Iterator[httpx.Client]:
    """A user of the runtime."""
    with httpx.Client(base_url=runtime.url, headers={"Authorization": f"Bearer {token()}"}, timeout=60) as client:
        yield client


def run(client: httpx.Client, message: str, **form: str) -> dict[str, Any]:
    response = client.post("/agents/support/runs", data={"message": message, "stream": "false", **form})
    answer: dict[str, Any] = response.json()
    return answer


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("agentos.") for event in events]


def approvals(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["type"].startswith("agentos.approval.")]


def waiting(database: Database) -> int:
    (row,) = database.rows("SELECT count(*) FROM agentos_runtime_events")
    return int(row[0])


def test_a_run_is_told_from_start_to_end_without_what_was_said(alice: httpx.Client, bus: RedisProcess) -> None:
    answer = run(alice, "my secret question")
    events = bus.await_events("run.started", "run.completed", run_id=answer["run_id"])
    assert types(events) == ["run.started", "run.completed"]
    last = events[-1]
    assert {name: last[name] for name in ("specversion", "source", "subject")} == {
        "specversion": "1.0",
        "source": "/workspaces/acme/deployments/support",
        "subject": answer["run_id"],
    }
    assert last["data"] == {
        "version": 1,
        "workspace": "acme",
        "deployment": "support",
        "run_id": answer["run_id"],
        "session_id": answer["session_id"],
        "agent_id": "support",
        "user_id": "alice",
    }
    assert "secret question" not in json.dumps(bus.events())


def test_a_run_that_waits_for_a_person_is_told_as_paused_and_then_as_completed(
    alice: httpx.Client, bus: RedisProcess
) -> None:
    paused = run(alice, 'call divide {"a": 6, "b": 2}')
    bus.await_events("run.paused", run_id=paused["run_id"])
    tools = json.dumps([{**paused["tools"][0], "confirmed": True}])
    alice.post(
        f"/agents/support/runs/{paused['run_id']}/continue",
        data={"tools": tools, "session_id": paused["session_id"], "stream": "false"},
    )
    events = types(bus.await_events("run.completed", run_id=paused["run_id"]))
    assert [type_ for type_ in events if type_.startswith("run.")] == ["run.started", "run.paused", "run.completed"]


def test_an_approval_is_told_when_it_is_asked_for_and_when_it_is_resolved(
    alice: httpx.Client, bus: RedisProcess, token: Callable[..., str]
) -> None:
    paused = run(alice, 'call divide {"a": 6, "b": 2}')
    (created,) = approvals(bus.await_events("approval.created", run_id=paused["run_id"]))
    assert created["data"] == {
        "version": 1,
        "workspace": "acme",
        "deployment": "support",
        "approval_id": created["subject"],
        "status": "pending",
        "tool_name": "divide",
        "run_id": paused["run_id"],
        "session_id": paused["session_id"],
        "agent_id": "support",
        "user_id": "alice",
    }
    carol = token(sub="carol", scopes=["approvals:read", "approvals:write"])
    answer = alice.post(
        f"/approvals/{created['subject']}/resolve",
        json={"status": "rejected", "resolution_data": {"note": "my secret reason"}},
        headers={"Authorization": f"Bearer {carol}"},
    )
    assert answer.status_code == 200, answer.text
    _, resolved = approvals(bus.await_events("approval.resolved", run_id=paused["run_id"]))
    assert {name: resolved["data"][name] for name in ("approval_id", "status", "resolved_by")} == {
        "approval_id": created["subject"],
        "status": "rejected",
        "resolved_by": "carol",
    }
    assert "secret reason" not in json.dumps(bus.events())


def test_a_step_that_waits_is_told_like_a_call(start: Start, redis: RedisProcess, token: Callable[..., str]) -> None:
    review = {"requiresConfirmation": True, "requiresApproval": True}
    steps = [{"name": "tell", "agent": "support", "humanReview": review}]
    runtime = start(workflows=[{"id": "story", "steps": steps}], AGENTOS_REDIS_URL=redis.url)
    runtime.wait_until("/readyz")
    alice = {"Authorization": f"Bearer {token(scopes=['workflows:run'])}"}
    carol = {"Authorization": f"Bearer {token(sub='carol', scopes=['approvals:read', 'approvals:write'])}"}
    path = f"{runtime.url}/workflows/story/runs"
    form = {"message": "my secret question", "stream": "false"}
    paused = httpx.post(path, data=form, headers=alice, timeout=60).json()
    (created,) = approvals(redis.await_events("approval.created", run_id=paused["run_id"]))
    told = {name: created["data"].get(name) for name in ("status", "workflow_id", "session_id", "user_id", "tool_name")}
    session = paused["session_id"]
    assert told == {
        "status": "pending",
        "workflow_id": "story",
        "session_id": session,
        "user_id": "alice",
        "tool_name": None,
    }
    decision = {"status": "approved"}
    resolve = f"{runtime.url}/approvals/{created['subject']}/resolve"
    assert httpx.post(resolve, json=decision, headers=carol, timeout=60).status_code == 200
    go_on = {"session_id": session, "stream": "false"}
    done = httpx.post(f"{path}/{paused['run_id']}/continue", data=go_on, headers=alice, timeout=60)
    assert done.json()["status"] == "COMPLETED", done.text
    events = redis.await_events("run.completed", run_id=paused["run_id"])
    of_run = [type_ for type_ in types(events) if type_.startswith("run.")]
    assert of_run == ["run.started", "run.paused", "run.completed"]
    assert [event["data"]["resolved_by"] for event in approvals(events)[1:]] == ["carol"]
    assert "secret question" not in json.dumps(redis.events())


def test_a_run_whose_model_fails_is_told_as_failed(alice: httpx.Client, bus: RedisProcess) -> None:
    failed = run(alice, "fail 400")
    assert types(bus.await_events("run.failed", run_id=failed["run_id"])) == ["run.started", "run.failed"]


def test_a_background_run_is_told_while_it_goes_on(alice: httpx.Client, bus: RedisProcess) -> None:
    accepted = run(alice, "think 5", background="true")
    assert types(bus.await_events("run.started", run_id=accepted["run_id"])) == ["run.started"]
    bus.await_events("run.completed", run_id=accepted["run_id"])


@pytest.mark.parametrize(
    ("stop", "recover"), [("kill", "start"), ("pause", "go_on")], ids=["that is killed", "that hangs"]
)
def test_a_redis_holds_up_no_run_and_is_told_later(
    alice: httpx.Client, runtime: Process, bus: RedisProcess, stop: str, recover: str
) -> None:
    run(alice, "warm")
    before = runtime.output
    getattr(bus, stop)()
    # What a run costs is asked for an outage, not for its first seconds.
    eventually(lambda: "Redis cannot be used" in runtime.output[len(before) :], "the runtime notices")
    began = time.monotonic()
    answers = [run(alice, f"number {n}") for n in range(5)]
    took = time.monotonic() - began
    assert [answer["status"] for answer in answers] == ["COMPLETED"] * 5
    assert took < 5, took
    getattr(bus, recover)()
    for answer in answers:
        bus.await_events("run.started", "run.completed", run_id=answer["run_id"])


def test_a_full_redis_holds_up_no_run_and_is_told_later(alice: httpx.Client, bus: RedisProcess) -> None:
    with bus.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        answer = run(alice, "while it is full")
        assert answer["status"] == "COMPLETED"
        client.config_set("maxmemory", "0")
    bus.await_events("run.completed", run_id=answer["run_id"])


def test_what_a_killed_runtime_has_not_told_is_told_by_the_next(
    start: Start, redis: RedisProcess, token: Callable[..., str], database: Database
) -> None:
    redis.kill()
    first = start(AGENTOS_REDIS_URL=redis.url)
    first.wait_until("/readyz")
    headers = {"Authorization": f"Bearer {token()}"}
    with httpx.Client(base_url=first.url, headers=headers, timeout=60) as client:
        answer = run(client, "before the end")
    first.process.kill()
    first.process.wait(10)
    assert waiting(database) == 2
    redis.start()
    start(AGENTOS_REDIS_URL=redis.url).wait_until("/readyz")
    redis.await_events("run.started", "run.completed", run_id=answer["run_id"])


def test_what_redis_took_from_a_runtime_that_was_killed_before_it_noted_so_comes_again_under_its_id(
    start: Start, redis: RedisProcess, token: Callable[..., str], database: Database
) -> None:
    """The page promises that a consumer can tell the second from a new one, by `source` and `id`."""
    first = start(AGENTOS_REDIS_URL=redis.url)
    first.wait_until("/readyz")
    redis.kill()
    with httpx.Client(base_url=first.url, headers={"Authorization": f"Bearer {token()}"}, timeout=60) as client:
        answer = run(client, "told twice")
    with psycopg.connect(database.url, options=f"-csearch_path={database.schema}") as held:
        held.execute("SELECT 1 FROM agentos_runtime_events FOR UPDATE")  # whoever removes them waits
        redis.start()
        once = redis.await_events("run.started", "run.completed", run_id=answer["run_id"])
        first.process.kill()
        first.process.wait(10)
    start(AGENTOS_REDIS_URL=redis.url).wait_until("/readyz")
    eventually(lambda: waiting(database) == 0, "the next one has told them")
    events = [event for event in redis.events() if event["data"].get("run_id") == answer["run_id"]]
    assert events == once + once
    assert len({(event["source"], event["id"]) for event in events}) == 2


def test_a_deployment_without_redis_leaves_nothing_behind(
    start: Start, redis: RedisProcess, token: Callable[..., str], database: Database
) -> None:
    start(AGENTOS_REDIS_URL=redis.url).wait_until("/readyz")
    without = start()
    without.wait_until("/readyz")
    with httpx.Client(base_url=without.url, headers={"Authorization": f"Bearer {token()}"}, timeout=60) as client:
        assert run(client, "nobody is told")["status"] == "COMPLETED"
    assert waiting(database) == 0


def test_events_beyond_what_the_stream_keeps_are_dropped_and_counted(
    start: Start, redis: RedisProcess, token: Callable[..., str], database: Database
) -> None:
    redis.kill()
    runtime = start(AGENTOS_REDIS_URL=redis.url, AGENTOS_EVENTS_MAX_LENGTH="100")
    runtime.wait_until("/readyz")
    database.execute(
        "INSERT INTO agentos_runtime_events (event_id, deployment, type, at, data)"
        " SELECT gen_random_uuid(), 'support', 'run.started', now(), '{}' FROM generate_series(1, 150)"
    )
    deadline = time.monotonic() + 20
    while waiting(database) > 100:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    redis.start()
    redis_told: list[dict[str, Any]] = []
    while not redis_told:
        assert time.monotonic() < deadline
        redis_told = [event for event in redis.events() if event["type"] == "agentos.events.dropped"]
        time.sleep(0.1)
    assert redis_told[0]["data"]["count"] == 60
    database.execute(
        "INSERT INTO agentos_runtime_events (event_id, deployment, type, at, data)"
        " SELECT gen_random_uuid(), 'support', 'run.started', now(), '{}' FROM generate_series(1, 900)"
    )
    eventually(lambda: waiting(database) == 0, "all of them have been told")
    assert 100 <= len(redis.events()) < 300, "Redis cuts whole nodes of about a hundred entries"


@pytest.mark.parametrize("trusted", [True, False], ids=["that it trusts", "that it does not know"])
def test_a_redis_is_verified_by_the_authorities(
    start: Start, tmp_path: Path, free_port: int, token: Callable[..., str], trusted: bool
) -> None:
    ours, theirs = (Authority.create(tmp_path / name) for name in ("ours", "theirs"))
    ours.issue(Identity("server", "redis", hosts=("localhost",)))
    files = {
        "--tls-cert-file": ours.certificate("server"),
        "--tls-key-file": ours.key("server"),
        "--tls-ca-cert-file": ours.certificate(),
        "--tls-auth-clients": "no",
    }
    options = [str(word) for pair in files.items() for word in pair]
    with redis_server.running(tmp_path, free_port, *options, authority=ours.certificate()) as server:
        authority = str((ours if trusted else theirs).certificate())
        runtime = start(AGENTOS_REDIS_URL=server.url, AGENTOS_REDIS_CA_FILE=authority)
        runtime.wait_until("/readyz")
        headers = {"Authorization": f"Bearer {token()}"}
        with httpx.Client(base_url=runtime.url, headers=headers, timeout=60) as client:
            answer = run(client, "over TLS")
        assert answer["status"] == "COMPLETED"
        if trusted:
            server.await_events("run.completed", run_id=answer["run_id"])
        else:
            assert "Redis cannot be used" in runtime.output
            assert server.events() == []


def test_the_commands_of_the_page_keep_a_tenant_to_its_keys_and_read_its_events(
    start: Start, redis: RedisProcess, token: Callable[..., str]
) -> None:
    restrict, read = COMMANDS
    password = "planted-tenant-password"
    environ = {**os.environ, "REDIS_URL": redis.url, "PASSWORD": password}
    said = subprocess.run(["sh", "-ec", restrict], env=environ, check=True, capture_output=True, text=True)
    assert said.stdout == "OK\n"
    url = redis.url_of("acme", password)
    runtime = start(AGENTOS_REDIS_URL=url)
    runtime.wait_until("/readyz")
    with httpx.Client(base_url=runtime.url, headers={"Authorization": f"Bearer {token()}"}, timeout=60) as client:
        answer = run(client, "as a user of its own")
    redis.await_events("run.completed", run_id=answer["run_id"])
    assert "NOPERM" not in runtime.output
    told = subprocess.run(["sh", "-ec", read], env=environ, check=True, capture_output=True, text=True).stdout
    assert answer["run_id"] in told
    other = ["redis-cli", "-u", url, "XRANGE", "agentos:other:events", "-", "+"]
    assert "NOPERM" in subprocess.run(other, check=False, capture_output=True, text=True).stdout


def test_the_event_that_the_page_shows_has_the_form_of_one(alice: httpx.Client, bus: RedisProcess) -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    answer = run(alice, "like the page")
    event = bus.await_events("run.completed", run_id=answer["run_id"])[-1]
    page = json.loads(shown)
    assert list(page) == list(event)
    assert page["data"].keys() == event["data"].keys()
    assert page["type"] == event["type"]
