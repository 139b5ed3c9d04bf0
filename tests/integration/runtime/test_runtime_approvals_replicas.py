"""A run that paused in one process, decided about in another: two replicas on one database, without a Redis."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.integration.runtime.test_runtime_approvals import OWNER, Workspace, both, yes
from tests.integration.runtime.test_runtime_interrupted import eventually

TOOLS = [{"toolkit": "shell", "requiresConfirmation": ["run_shell_command"]}]
Runs = Callable[..., AbstractContextManager[tuple[Any, Any]]]
BACKGROUND: dict[str, Any] = {"background": "true"}


@dataclass(frozen=True)
class Replicas:
    """Two processes of one deployment."""

    here: Workspace
    there: Workspace

    def paused(self, word: str, **form: str) -> dict[str, Any]:
        """A run that waits, asked for here; in the background where the form says so."""
        if not form:
            return self.here.paused(word)
        script = "call run_shell_command " + json.dumps({"args": ["sh", "-c", f"echo {word} >> {self.here.file}"]})
        data = {"message": script, "stream": "false", **form}
        accepted = self.here.ask("POST", "/agents/support/runs", data=data).json()
        return self.settled(accepted, "PAUSED")

    def settled(self, run: dict[str, Any], status: str) -> dict[str, Any]:
        """The run once it is so, as the other replica reads it."""
        path = f"/agents/support/runs/{run['run_id']}?session_id={run['session_id']}"

        def read() -> dict[str, Any] | None:
            found: dict[str, Any] = self.there.ask("GET", path, scopes=OWNER).json()
            return found if found["status"] == status else None

        found: dict[str, Any] = eventually(read)
        return found


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory, runtime_of: Runs) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    with ExitStack() as stack:
        found = []
        for name in ("here", "there"):
            (folder / name).mkdir()
            process, token = stack.enter_context(runtime_of(folder / name, tools=TOOLS))
            found.append(Workspace(process.url, folder / "written", token))
        yield Replicas(found[0], found[1])


def ended(answer: tuple[int, dict[str, Any]]) -> str:
    status, end = answer
    assert status == 200, end
    said: str = end.get("status") or end["event"]
    return said


@both
def test_a_run_that_paused_in_one_process_goes_on_in_another(replicas: Replicas, stream: bool) -> None:
    run = replicas.paused(f"other-{stream}")
    assert ended(replicas.there.go_on(run, yes(run), stream)) in {"COMPLETED", "RunCompleted"}
    assert replicas.here.written(f"other-{stream}") == 1
    assert replicas.here.go_on(run, yes(run), stream)[0] == 409
    assert replicas.here.approval(run)["resolved_by"] == "alice"


@both
def test_an_approver_decides_at_one_and_the_user_goes_on_at_the_other(replicas: Replicas, stream: bool) -> None:
    run = replicas.paused(f"approver-{stream}")
    assert replicas.there.resolve(run, "approved").status_code == 200
    assert replicas.here.resolve(run, "rejected").status_code == 409
    assert ended(replicas.here.go_on(run, [], stream)) in {"COMPLETED", "RunCompleted"}
    assert replicas.here.written(f"approver-{stream}") == 1


@pytest.mark.parametrize("form", [{}, BACKGROUND], ids=["in the foreground", "in the background"])
@both
def test_a_decision_sent_to_both_at_once_is_taken_once(replicas: Replicas, stream: bool, form: dict[str, Any]) -> None:
    word = f"both-{stream}-{len(form)}"
    run = replicas.paused(word)
    doors = [replicas.here, replicas.there] * 3
    with ThreadPoolExecutor(len(doors)) as pool:
        answers = list(pool.map(lambda door: door.go_on(run, yes(run), stream, **form)[0], doors))
    assert sorted(answers) == [202 if form and not stream else 200] + [409] * 5
    replicas.settled(run, "COMPLETED")
    assert replicas.here.written(word) == 1


def test_yes_here_and_no_there_at_once_end_in_one_of_them(replicas: Replicas) -> None:
    run = replicas.paused("against")
    decisions = [(replicas.here, True), (replicas.there, False)] * 3
    with ThreadPoolExecutor(len(decisions)) as pool:
        tools = [{**run["tools"][0]}]
        answers = pool.map(lambda each: each[0].go_on(run, [{**tools[0], "confirmed": each[1]}])[0], decisions)
    assert sorted(answers) == [200] + [409] * 5
    assert replicas.here.written("against") == (replicas.there.approval(run)["status"] == "approved")


@pytest.mark.parametrize("asked", [{}, BACKGROUND], ids=["from the foreground", "from the background"])
def test_a_run_is_continued_in_the_background_through_the_other(replicas: Replicas, asked: dict[str, Any]) -> None:
    word = f"background-{len(asked)}"
    run = replicas.paused(word, **asked)
    status, accepted = replicas.there.go_on(run, yes(run), **BACKGROUND)
    assert (status, accepted["status"]) == (202, "PENDING")
    assert replicas.settled(run, "COMPLETED")["content"].startswith("The tool answered: ")
    assert replicas.here.written(word) == 1
    assert replicas.here.go_on(run, yes(run), **BACKGROUND)[0] == 409


def test_a_background_stream_of_a_continuation_ends_with_the_run(replicas: Replicas) -> None:
    run = replicas.paused("streamed")
    assert ended(replicas.there.go_on(run, yes(run), True, **BACKGROUND)) == "RunCompleted"
    assert replicas.here.written("streamed") == 1


def test_a_run_of_the_queue_is_not_continued_past_it(replicas: Replicas) -> None:
    run = replicas.paused("past", **BACKGROUND)
    status, problem = replicas.there.go_on(run, yes(run))
    assert (status, "background=true" in problem["detail"]) == (409, True)
    assert replicas.here.written("past") == 0
    assert replicas.here.go_on(run, yes(run), **BACKGROUND)[0] == 202
    replicas.settled(run, "COMPLETED")
    assert replicas.here.written("past") == 1


def test_a_continuation_whose_process_was_killed_is_neither_repeated_nor_left_running(
    tmp_path_factory: pytest.TempPathFactory, runtime_of: Runs, replicas: Replicas, database: Any
) -> None:
    """Its tool may have done its work: nobody knows, and the run is as it was before the decision."""
    with runtime_of(tmp_path_factory.mktemp("third"), tools=TOOLS) as (third, token):
        replica = Workspace(third.url, replicas.here.file, token)
        call = {"args": ["sh", "-c", f"echo killed >> {replica.file}; sleep 20"]}
        form = {"message": f"call run_shell_command {json.dumps(call)}", "stream": "false"}
        run = replica.ask("POST", "/agents/support/runs", data=form).json()
        decision = {"tools": json.dumps(yes(run)), "session_id": run["session_id"], "stream": "true", **BACKGROUND}
        path = f"{third.url}/agents/support/runs/{run['run_id']}/continue"
        headers = {"Authorization": f"Bearer {token(scopes=OWNER)}"}
        with httpx.stream("POST", path, data=decision, headers=headers, timeout=60):
            eventually(lambda: replica.written("killed") == 1)
            third.process.kill()
    # What a minute without a renewed lease would do.
    database.execute(f"UPDATE agno_jobs SET locked_at = locked_at - 61 WHERE id = '{run['run_id']}'")
    ticket = f"SELECT status FROM agno_jobs WHERE id = '{run['run_id']}'"
    eventually(lambda: database.rows(ticket) == [("paused",)])
    assert replicas.settled(run, "PAUSED")
    assert replicas.here.written("killed") == 1
    assert replicas.here.go_on(run, yes(run), **BACKGROUND)[0] == 409
