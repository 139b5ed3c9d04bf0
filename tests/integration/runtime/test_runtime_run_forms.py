"""The form of a run: no field of it reaches another's run or the pod's files, and its files outlive their process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentos_spec import Limits
from tests.integration.runtime.test_runtime_interrupted import eventually, status_of

RUNS = "/agents/support/runs"
FORM = {"message": "Hello", "stream": "false"}
Start = Callable[..., Any]
Mint = Callable[..., str]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def stored(database: Any, run: str) -> Any:
    return database.rows(f"SELECT user_id, session_id, run_data->>'content' FROM agno_runs WHERE run_id = '{run}'")


UNQUOTED = (
    b'--x\r\nContent-Disposition: form-data; name="message"\r\n\r\nbob was here\r\n'
    b'--x\r\nContent-Disposition: form-data; name="stream"\r\n\r\nfalse\r\n'
    b"--x\r\nContent-Disposition: form-data; name=run_id\r\n\r\n%s\r\n--x--\r\n"
)
"""A name that one parser reads and another may not."""


@pytest.mark.parametrize("multipart", [False, True], ids=["urlencoded", "multipart"])
def test_a_run_is_not_written_over_by_who_knows_its_id(
    client: httpx.Client, runtime: Any, token: Mint, database: Any, multipart: bool
) -> None:
    run = client.post(RUNS, data=FORM).json()
    before = stored(database, run["run_id"])
    bob = bearer(token(sub="bob"))
    form: dict[str, Any] = {"data": {**FORM, "message": "bob was here", "run_id": run["run_id"]}}
    if multipart:
        bob["Content-Type"] = "multipart/form-data; boundary=x"
        form = {"content": UNQUOTED % run["run_id"].encode()}
    answer = httpx.post(runtime.url + RUNS, headers=bob, timeout=60, **form)
    assert (answer.status_code, answer.json()["content"]) == (200, "You said: bob was here")
    assert answer.json()["run_id"] != run["run_id"]
    assert stored(database, run["run_id"]) == before


@pytest.mark.parametrize("name", ["input", "self", "agent", "session", "run_context", "debug_mode", "background_tasks"])
def test_a_field_that_means_nothing_has_no_effect(client: httpx.Client, name: str) -> None:
    """agno hands each on to a function of its own, which fails on it or does as it is told."""
    answer = client.post(RUNS, data={**FORM, name: "x"})
    assert (answer.status_code, answer.json().get("content")) == (200, "You said: Hello"), answer.text


@pytest.mark.parametrize("given", ["x", "[]", "3"])
def test_additional_data_that_is_no_mapping_is_refused(client: httpx.Client, given: str) -> None:
    """It is what expressions of workflows look into, which would fail on it."""
    answer = client.post(RUNS, data={**FORM, "additional_data": given})
    assert (answer.status_code, answer.json().get("errors")) == (
        422,
        [{"at": "body.additional_data", "problem": "must be a mapping, as JSON"}],
    )


@pytest.mark.parametrize("field", ["input_files", "images", "audio", "videos"])
@pytest.mark.parametrize("where", ["filepath", "url"])
def test_no_file_is_read_that_the_caller_has_not_sent(
    client: httpx.Client, tmp_path: Path, field: str, where: str
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("planted")
    entry = {where: str(secret) if where == "filepath" else "http://169.254.169.254/", "mime_type": "text/plain"}
    for background in ("false", "true"):
        answer = client.post(RUNS, data={**FORM, "background": background, field: json.dumps([entry])})
        assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, f"body.{field}")


def test_a_file_beside_a_field_that_means_nothing_arrives(client: httpx.Client) -> None:
    files = {"files": ("b.txt", b"words", "text/plain"), "other": ("c.txt", b"lost", "text/plain")}
    run = client.post(RUNS, data={**FORM, "input": "x"}, files=files).json()
    assert attached(client, run) == ["b.txt"]


def attached(client: httpx.Client, run: dict[str, Any]) -> list[str]:
    """Names of the files that a run's user message has."""
    (found,) = client.get(f"/sessions/{run['session_id']}/runs?type=agent").json()
    return [file["filename"] for message in found["messages"] for file in message.get("files", ())]


def with_file(url: str, headers: dict[str, str], message: str) -> dict[str, Any]:
    form = {"message": message, "stream": "false", "background": "true"}
    files = {"files": ("plan.txt", b"words", "text/plain")}
    answer = httpx.post(url + RUNS, data=form, files=files, headers=headers, timeout=60)
    assert answer.status_code == 202, answer.text
    run: dict[str, Any] = answer.json()
    return run


def test_background_runs_with_files_are_not_lost_with_their_process(
    start_alone: Start, token: Mint, database: Any
) -> None:
    headers = bearer(token())
    first = start_alone(limits={"concurrentRuns": 1})
    first.wait_until("/readyz")
    running = with_file(first.url, headers, "wait 25 a long answer")
    eventually(lambda: status_of(database, running["run_id"]) == "RUNNING")
    waiting = with_file(first.url, headers, "Hello")
    assert status_of(database, waiting["run_id"]) == "PENDING"
    first.process.kill()
    first.process.wait()
    second = start_alone()
    second.wait_until("/readyz")
    eventually(lambda: status_of(database, waiting["run_id"]) == "COMPLETED")
    with httpx.Client(base_url=second.url, headers=headers, timeout=60) as client:
        assert attached(client, waiting) == ["plan.txt"]
    # What a minute without a renewed lease would do.
    database.execute(f"UPDATE agno_jobs SET locked_at = locked_at - 61 WHERE id = '{running['run_id']}'")
    eventually(lambda: status_of(database, running["run_id"]) == "ERROR")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("output_schema", {"title": "T", "type": "object", "properties": {"n": {"type": "integer"}}}),
        ("knowledge_filters", {"op": "EQ", "key": "a", "value": 1}),
    ],
)
def test_what_the_queue_cannot_hold_is_refused_and_not_run_without_it(
    client: httpx.Client, field: str, value: dict[str, Any]
) -> None:
    form = {**FORM, "background": "true", field: json.dumps(value)}
    refused = client.post(RUNS, data=form)
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, f"body.{field}")


def test_files_of_a_kind_that_no_agent_reads_are_refused(client: httpx.Client) -> None:
    form = {**FORM, "background": "true"}
    for upload in (("a.exe", b"MZ", "application/x-msdownload"), ("a.txt", b"", "text/plain")):
        assert client.post(RUNS, data=form, files={"files": upload}).status_code == 400


@pytest.fixture
def waiting(client: httpx.Client, database: Any) -> Iterator[Callable[[str, int], None]]:
    """Puts runs of a user into the queue whose time never comes."""

    def put(user: str, count: int) -> None:
        database.execute(
            "INSERT INTO agno_jobs (id, component_type, component_id, session_id, job_type, deployment_id, user_id,"
            " payload, status, attempt, max_attempts, available_at, created_at)"
            f" SELECT 'waiting-' || gen_random_uuid(), 'agent', 'support', 's', 'run', 'support', '{user}',"
            f" '{{}}', 'queued', 0, 1, 4000000000, 1 FROM generate_series(1, {count})"
        )

    assert client.post(RUNS, data={**FORM, "background": "true"}).status_code == 202
    yield put
    database.execute("DELETE FROM agno_jobs WHERE id LIKE 'waiting-%'")


def test_one_user_cannot_fill_the_queue_and_a_full_one_says_when_to_come_back(
    runtime: Any, token: Mint, waiting: Callable[[str, int], None]
) -> None:
    def ask(user: str) -> httpx.Response:
        form = {**FORM, "background": "true"}
        return httpx.post(runtime.url + RUNS, data=form, headers=bearer(token(sub=user)), timeout=60)

    waiting("greedy", 10 * Limits().concurrent_runs_per_user)
    greedy, other = ask("greedy"), ask("other")
    waiting("many", 10 * Limits().concurrent_runs)
    full = ask("other")
    assert [answer.status_code for answer in (greedy, other, full)] == [429, 202, 429]
    assert ("by this user" in greedy.json()["detail"], full.json()["detail"]) == (True, "Job queue is full")
    for answer in (greedy, full):
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["content-type"] == "application/problem+json"
