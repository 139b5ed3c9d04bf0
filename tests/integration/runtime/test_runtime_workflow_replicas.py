"""A workflow that waits outlives the process that it began in: killed without a word, it goes on in another one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.runtime.conftest import agent
from tests.integration.runtime.test_runtime_interrupted import eventually
from tests.integration.runtime.test_runtime_workflow_approvals import OWNER, Works, both, delegated, yes
from tests.integration.runtime.test_runtime_workflow_reviews import decided

Runs = Callable[..., AbstractContextManager[tuple[Any, Any]]]
AFTER = {"name": "tell", "agent": "herald"}
WORKFLOWS: dict[str, list[dict[str, Any]]] = {
    "call": [{"name": "ask", "agent": "support"}, AFTER],
    "member": [{"name": "desk", "team": "house"}, AFTER],
    "inside": [
        {"type": "Condition", "name": "if", "evaluator": "true", "steps": [{"name": "ask", "agent": "support"}]},
        AFTER,
    ],
    "step": [AFTER, {**AFTER, "name": "last", "humanReview": {"requiresConfirmation": True}}],
}
BACKGROUND = {"background": True}


@pytest.fixture(scope="module")
def parts(model: Any) -> dict[str, Any]:
    shell = {"toolkit": "shell", "requiresConfirmation": ["run_shell_command"]}
    teams = [{"id": "desk", "members": ["support"]}, {"id": "house", "members": ["desk"]}]
    workflows = [{"id": id_, "steps": steps} for id_, steps in WORKFLOWS.items()]
    return {
        "tools": [shell],
        "others": [agent(model.url, id="herald", tools=[])],
        "teams": teams,
        "workflows": workflows,
    }


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory, runtime_of: Runs, parts: dict[str, Any]) -> Iterator[Works]:
    """The replica that lives on."""
    folder = tmp_path_factory.mktemp("there")
    with runtime_of(folder, **parts) as (process, token):
        yield Works(process.url, folder / "written", token)


@pytest.fixture
def here(tmp_path: Path, runtime_of: Runs, parts: dict[str, Any], there: Works) -> Iterator[tuple[Works, Any]]:
    """A replica that a test may kill, which writes to the same file."""
    with runtime_of(tmp_path, **parts) as (process, token):
        yield Works(process.url, there.file, token), process


def question(works: Works, workflow: str, word: str) -> str:
    script = works.script(word)
    inner = f"call delegate_task_to_member {json.dumps({'member_id': 'desk', 'task': delegated(script)})}"
    return inner if workflow == "member" else script


def decision(run: dict[str, Any]) -> dict[str, Any]:
    return yes(run) if run["step_requirements"][-1].get("requires_executor_input") else decided(run)


@both
@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_run_that_waits_goes_on_in_another_process_after_a_kill(
    here: tuple[Works, Any], there: Works, workflow: str, stream: bool
) -> None:
    first, process = here
    word = f"killed-{workflow}-{stream}"
    run = first.paused(workflow, question(first, workflow, word), stream)
    process.process.kill()
    process.process.wait(30)
    assert there.goes_on(run, decision(run), "bob").status_code == 404
    done = there.done(run, decision(run), stream)
    assert done["status"] == "COMPLETED"
    assert there.written(word) == (workflow != "step")
    assert there.goes_on(run, decision(run)).status_code == 409


def test_decisions_sent_to_both_at_once_are_taken_once(here: tuple[Works, Any], there: Works) -> None:
    first, _ = here
    for workflow in ("call", "step"):
        word = f"both-{workflow}"
        run = first.paused(workflow, question(first, workflow, word))
        with ThreadPoolExecutor(6) as pool:
            doors = [first, there] * 3
            answers = list(pool.map(lambda door, run=run: door.goes_on(run, decision(run)).status_code, doors))
        assert sorted(answers) == [200] + [409] * 5
        assert there.written(word) == (workflow == "call")


@pytest.mark.parametrize("workflow", ["call", "step"])
@pytest.mark.parametrize("asked", [{}, {"background": "true"}], ids=["from the foreground", "from the background"])
def test_a_run_is_continued_in_the_background_through_the_other(
    here: tuple[Works, Any], there: Works, asked: dict[str, str], workflow: str
) -> None:
    first, _ = here
    word = f"background-{workflow}-{len(asked)}"
    form = {"message": question(first, workflow, word), "stream": "false", **asked}
    accepted = first.ask("POST", f"/workflows/{workflow}/runs", data=form).json()
    run = settled(there, workflow, accepted, "PAUSED")
    answer = there.goes_on(run, {**decision(run), **BACKGROUND})
    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
    assert settled(first, workflow, run, "COMPLETED")["content"]
    assert there.written(word) == (workflow == "call")
    assert first.goes_on(run, {**decision(run), **BACKGROUND}).status_code == 409


def settled(works: Works, workflow: str, run: dict[str, Any], status: str) -> dict[str, Any]:
    """The run once it is so."""

    def read() -> dict[str, Any] | None:
        found = works.stored(workflow, run)
        return found if found["status"] == status else None

    found: dict[str, Any] = eventually(read)
    return found


@pytest.mark.parametrize("background", [False, True], ids=["in the foreground", "in the background"])
def test_a_continuation_whose_process_was_killed_is_not_repeated(
    here: tuple[Works, Any], there: Works, background: bool, database: Any
) -> None:
    """Its tool may have done its work: nobody knows."""
    first, process = here
    word = f"halfway-{background}"
    call = {"args": ["sh", "-c", f"echo {word} >> {first.file}; sleep 20"]}
    run = first.paused("call", f"call run_shell_command {json.dumps(call)}")
    form = {"tools": json.dumps(yes(run)["tools"]), "session_id": run["session_id"], "stream": "true"}
    form |= {"background": "true"} if background else {}
    path = f"{first.url}/workflows/call/runs/{run['run_id']}/continue"
    headers = {"Authorization": f"Bearer {first.token(scopes=OWNER)}"}
    with httpx.stream("POST", path, data=form, headers=headers, timeout=60):
        eventually(lambda: first.written(word) == 1)
        process.process.kill()
    if background:  # what a minute without a renewed lease would do
        database.execute(f"UPDATE agno_jobs SET locked_at = locked_at - 61 WHERE id = '{run['run_id']}'")
        ticket = f"SELECT status FROM agno_jobs WHERE id = '{run['run_id']}'"
        eventually(lambda: database.rows(ticket)[0][0] != "running")
        assert there.stored("call", run)["status"] == "ERROR"
    again = {**yes(run), **(BACKGROUND if background else {})}
    assert there.goes_on(run, again).status_code == 409
    assert there.written(word) == 1
