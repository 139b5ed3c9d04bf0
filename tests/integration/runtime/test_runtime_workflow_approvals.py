"""Workflows that wait: for calls of the agent or the team of a step, and for a person who decides about a step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.runtime.conftest import agent
from tests.integration.runtime.guarded import Guarded

OWNER = ["workflows:run", "workflows:read", "sessions:read", "approvals:read"]
APPROVER = ["approvals:read", "approvals:write"]
SHELL = {"toolkit": "shell", "requiresConfirmation": ["run_shell_command"]}


class Works(Guarded):
    """A runtime with workflows whose steps append to `file` when they are allowed to."""

    owner = OWNER

    def run(self, workflow: str, message: str, stream: bool = False, **form: str) -> dict[str, Any]:
        """The run as it is stored once its request is answered."""
        form = {"message": message, "stream": str(stream).lower(), **form}
        answer = self.ask("POST", f"/workflows/{workflow}/runs", data=form)
        return self.stored(workflow, said(answer))

    def paused(self, workflow: str, message: str, stream: bool = False) -> dict[str, Any]:
        run = self.run(workflow, message, stream)
        assert run["status"] == "PAUSED", run
        return run

    def stored(self, workflow: str, run: dict[str, Any]) -> dict[str, Any]:
        found = self.ask("GET", f"/workflows/{workflow}/runs/{run['run_id']}?session_id={run['session_id']}")
        assert found.status_code == 200, found.text
        body: dict[str, Any] = found.json()
        return body

    def goes_on(
        self, run: dict[str, Any], decision: dict[str, Any] | None = None, user: str = "alice", stream: bool = False
    ) -> httpx.Response:
        return self.continued(f"/workflows/{run['workflow_id']}", run, decision, user, stream)

    def done(self, run: dict[str, Any], decision: dict[str, Any] | None = None, stream: bool = False) -> dict[str, Any]:
        """The stored run after a decision."""
        return self.stored(run["workflow_id"], said(self.goes_on(run, decision, stream=stream)))

    def approval(self, run: dict[str, Any]) -> dict[str, Any]:
        """The record of what the run waits for."""
        found: dict[str, Any] = self.ask("GET", f"/approvals/{call(run)['approval_id']}").json()
        return found


def said(response: httpx.Response) -> dict[str, Any]:
    """An answer, or the last event of a stream."""
    assert response.status_code == 200, response.text
    if not response.headers["content-type"].startswith("text/event-stream"):
        whole: dict[str, Any] = response.json()
        return whole
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    return {**events[0], **{name: value for name, value in events[-1].items() if value is not None}}


def call(run: dict[str, Any]) -> dict[str, Any]:
    """The call that the run's step waits for."""
    (requirement,) = run["step_requirements"][-1]["executor_requirements"]
    found: dict[str, Any] = requirement["tool_execution"]
    return found


def yes(run: dict[str, Any], confirmed: bool = True, **more: Any) -> dict[str, Any]:
    return {"tools": [{"tool_call_id": call(run)["tool_call_id"], "confirmed": confirmed, **more}]}


def as_agnos_clients_send_it(run: dict[str, Any]) -> dict[str, Any]:
    *earlier, last = run["step_requirements"]
    calls = [{**each, "confirmation": True} for each in last["executor_requirements"]]
    return {"step_requirements": [*earlier, {**last, "executor_requirements": calls}]}


def delegated(task: str) -> str:
    return "call delegate_task_to_member " + json.dumps({"member_id": "support", "task": task})


ASKED = {"name": "ask", "agent": "support"}
AFTER = {"name": "tell", "agent": "herald"}
WORKFLOWS: dict[str, list[dict[str, Any]]] = {
    "plain": [ASKED, AFTER],
    "twice": [ASKED, {"name": "again", "agent": "second"}, AFTER],
    "if": [{"type": "Condition", "name": "when", "evaluator": "true", "steps": [ASKED], "elseSteps": [AFTER]}, AFTER],
    "else": [
        {
            "type": "Condition",
            "name": "when",
            "evaluator": "false",
            "steps": [{"type": "Steps", "name": "in", "steps": [ASKED]}],
            "elseSteps": [AFTER],
        },
        AFTER,
    ],
    "way": [
        {"type": "Router", "name": "which", "selector": '"ask"', "choices": [ASKED, AFTER]},
        {"name": "last", "agent": "herald"},
    ],
    "inside": [{"type": "Steps", "name": "both", "steps": [{"type": "Steps", "name": "in", "steps": [ASKED]}]}, AFTER],
    "team": [{"name": "desk", "team": "desk"}, AFTER],
    "leader": [{"name": "lead", "team": "lead"}, AFTER],
}


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory, runtime_of: Callable[..., Any], model: Any) -> Iterator[Works]:
    folder = tmp_path_factory.mktemp("workflow-approvals")
    tools = [SHELL, {"toolkit": "sleep", "requiresApproval": ["sleep"]}]
    others = [agent(model.url, id="herald", tools=[]), agent(model.url, id="second", tools=[SHELL])]
    teams = [{"id": "desk", "members": ["support", "herald"]}, {"id": "lead", "members": ["herald"], "tools": [SHELL]}]
    workflows = [{"id": id_, "steps": steps} for id_, steps in WORKFLOWS.items()]
    parts: dict[str, Any] = {"tools": tools, "teams": teams, "workflows": workflows, "others": others}
    with runtime_of(folder, **parts) as (process, token):
        yield Works(process.url, folder / "written", token)


both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@both
@pytest.mark.parametrize("workflow", ["plain", "if", "way", "inside", "team", "leader"])
def test_the_call_of_a_step_runs_once_after_a_yes_and_the_steps_after_it_follow(
    works: Works, workflow: str, stream: bool
) -> None:
    word = f"yes-{workflow}-{stream}"
    script = works.script(word)
    run = works.paused(workflow, delegated(script) if workflow == "team" else script, stream)
    assert works.written(word) == 0
    done = works.done(run, yes(run), stream)
    assert (done["status"], works.written(word)) == ("COMPLETED", 1)
    assert done["content"].startswith("You said: The tool answered: "), done["content"]
    again = works.goes_on(run, yes(run))
    assert (again.status_code, works.written(word)) == (409, 1)


def test_whole_requirements_are_taken_as_agnos_clients_send_them(works: Works) -> None:
    run = works.paused("plain", works.script("whole"))
    assert works.done(run, as_agnos_clients_send_it(run))["status"] == "COMPLETED"
    assert works.written("whole") == 1


@both
def test_a_run_waits_again_at_a_later_step_and_earlier_decisions_stay(works: Works, stream: bool) -> None:
    first = works.paused("twice", works.script(f"first-{stream}"), stream)
    assert works.done(first, yes(first), stream)["status"] == "COMPLETED", "the second agent only hears of the first"
    assert works.written(f"first-{stream}") == 1


@both
def test_a_call_does_not_run_after_a_no_and_the_next_step_hears_why(works: Works, stream: bool) -> None:
    run = works.paused("plain", works.script(f"no-{stream}"), stream)
    done = works.done(run, yes(run, False, confirmation_note="too dear"), stream)
    assert done["status"] == "COMPLETED"
    assert "too dear" in done["content"]
    assert works.written(f"no-{stream}") == 0
    assert works.approval(run)["status"] == "rejected"


@pytest.mark.parametrize("workflow", ["plain", "team"])
def test_a_call_that_was_changed_is_refused_and_can_still_be_decided(works: Works, workflow: str) -> None:
    word = f"changed-{workflow}"
    script = works.script(word)
    run = works.paused(workflow, delegated(script) if workflow == "team" else script)
    forged = {**call(run), "tool_args": {"args": ["sh", "-c", f"echo forged >> {works.file}"]}, "confirmed": True}
    *earlier, last = run["step_requirements"]
    whole = {**last, "executor_requirements": [{**last["executor_requirements"][0], "tool_execution": forged}]}
    for said_ in ({"tools": [forged]}, {"step_requirements": [*earlier, whole]}):
        assert works.goes_on(run, said_).status_code == 422
    assert (works.written(word), works.written("forged")) == (0, 0)
    works.done(run, yes(run))
    assert works.written(word) == 1


def test_another_step_or_agent_than_the_stored_one_is_not_continued(works: Works) -> None:
    run = works.paused("plain", works.script("other"))
    *earlier, last = as_agnos_clients_send_it(run)["step_requirements"]
    changes = {"step_index": 1, "executor_id": "herald", "executor_run_id": "another", "step_id": "another"}
    assert works.done(run, {"step_requirements": [*earlier, {**last, **changes}]})["status"] == "COMPLETED"
    assert works.written("other") == 1, "what is stored counts"


def test_of_five_confirmations_at_once_one_runs_the_call(works: Works) -> None:
    run = works.paused("plain", works.script("five"))
    with ThreadPoolExecutor(5) as pool:
        codes = sorted(pool.map(lambda _: works.goes_on(run, yes(run)).status_code, range(5)))
    assert codes == [200, 409, 409, 409, 409]
    assert works.written("five") == 1


def test_another_user_neither_sees_nor_decides(works: Works) -> None:
    run = works.paused("plain", works.script("theirs"))
    assert works.goes_on(run, yes(run), "bob").status_code == 404
    assert works.ask("GET", f"/approvals/{call(run)['approval_id']}", "bob").status_code == 404
    path = f"/workflows/plain/runs/{run['run_id']}?session_id={run['session_id']}"
    assert works.ask("GET", path, "bob").status_code == 404
    assert works.written("theirs") == 0


@pytest.mark.parametrize("workflow", ["plain", "team"])
def test_a_call_that_waits_for_an_approver_goes_on_for_its_user_after_the_yes(works: Works, workflow: str) -> None:
    script = 'call sleep {"seconds": 0}'
    run = works.paused(workflow, delegated(script) if workflow == "team" else script)
    assert works.goes_on(run, yes(run)).status_code == 403
    assert works.goes_on(run).status_code == 403, "nobody has decided"
    seen = works.approval(run)
    assert (seen["status"], seen["user_id"], seen["tool_name"]) == ("pending", "alice", "sleep")
    resolved = works.ask("POST", f"/approvals/{seen['id']}/resolve", "carol", APPROVER, json={"status": "approved"})
    assert resolved.status_code == 200, resolved.text
    assert "Slept for 0 seconds" in works.done(run)["content"]


def test_a_run_that_was_cancelled_cannot_be_continued(works: Works) -> None:
    run = works.paused("plain", works.script("cancelled"))
    path = f"/workflows/plain/runs/{run['run_id']}/cancel?session_id={run['session_id']}"
    assert works.ask("POST", path).status_code == 200
    assert works.approval(run)["status"] == "cancelled"
    assert works.goes_on(run, yes(run)).status_code == 409
    assert works.written("cancelled") == 0


def test_a_run_is_continued_in_the_background(works: Works) -> None:
    run = works.paused("plain", works.script("background"))
    assert works.goes_on(run, {**yes(run), "background": True}).status_code == 202
    deadline = time.monotonic() + 60
    while (state := works.stored("plain", run)["status"]) != "COMPLETED":
        assert time.monotonic() < deadline, state
        time.sleep(0.1)
    assert works.written("background") == 1
