"""Approvals over HTTP, on PostgreSQL and on a laptop's file, streamed and not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.runtime.guarded import Guarded

OWNER = ["agents:run", "agents:read", "sessions:read", "sessions:write", "approvals:read"]
APPROVER = ["approvals:read", "approvals:write"]
Answer = tuple[int, dict[str, Any]]


class Workspace(Guarded):
    """A runtime whose agent appends to `file` when it is allowed to."""

    owner = OWNER

    def paused(self, word: str, call: str = "run_shell_command", user: str = "alice") -> dict[str, Any]:
        """A run of the user that waits with one call, which would write a word to the file."""
        form = {"message": self.script(word, call), "stream": "false"}
        run: dict[str, Any] = self.ask("POST", "/agents/support/runs", user, data=form).json()
        assert run["status"] == "PAUSED", run
        return run

    def go_on(self, run: dict[str, Any], tools: Any, stream: bool = False, **more: Any) -> Answer:
        """The status of an answer and the run it ends with, or the problem."""
        sent = {key: more.pop(key) for key in ("user", "scopes") if key in more}
        form = {"tools": json.dumps(tools), "session_id": run["session_id"], "stream": str(stream).lower(), **more}
        response = self.ask("POST", f"/agents/support/runs/{run['run_id']}/continue", data=form, **sent)
        if response.headers["content-type"].startswith("text/event-stream"):
            events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
            return response.status_code, events[-1]
        if response.status_code not in (200, 202):
            assert response.headers["content-type"] == "application/problem+json", response.text
        return response.status_code, response.json()

    def approval(self, run: dict[str, Any]) -> dict[str, Any]:
        listed = self.ask("GET", f"/approvals?run_id={run['run_id']}", "carol", APPROVER).json()["data"]
        assert len(listed) == 1, listed
        approval: dict[str, Any] = listed[0]
        return approval

    def resolve(self, run: dict[str, Any], status: str, **more: Any) -> httpx.Response:
        path = f"/approvals/{self.approval(run)['id']}/resolve"
        return self.ask("POST", path, "carol", APPROVER, json={"status": status, **more})


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def workspace(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, runtime_of: Callable[..., Any]
) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp(f"approvals-{request.param}")
    tools = [
        {"toolkit": "shell", "requiresConfirmation": ["run_shell_command"]},
        {"toolkit": "sleep", "requiresApproval": ["sleep"]},
        {"toolkit": "calculator", "options": {"external_execution_required_tools": ["add"]}},
        {"toolkit": "user_control_flow"},
    ]
    with runtime_of(folder, sqlite=request.param == "sqlite", tools=tools) as (process, token):
        yield Workspace(process.url, folder / "written", token)


def yes(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**run["tools"][0], "confirmed": True}]


both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@both
def test_a_call_runs_once_after_its_user_said_yes(workspace: Workspace, stream: bool) -> None:
    run = workspace.paused(f"yes-{stream}")
    status, end = workspace.go_on(run, yes(run), stream)
    assert (status, end.get("status", end.get("event"))) in {(200, "COMPLETED"), (200, "RunCompleted")}, end
    assert workspace.written(f"yes-{stream}") == 1
    approval = workspace.approval(run)
    assert (approval["status"], approval["resolved_by"]) == ("approved", "alice")


@both
def test_a_call_does_not_run_after_its_user_said_no(workspace: Workspace, stream: bool) -> None:
    run = workspace.paused(f"no-{stream}")
    no = [{"tool_call_id": run["tools"][0]["tool_call_id"], "confirmed": False, "confirmation_note": "too dear"}]
    status, end = workspace.go_on(run, no, stream)
    assert status == 200
    assert "too dear" in end["content"]
    assert workspace.written(f"no-{stream}") == 0
    assert workspace.approval(run)["status"] == "rejected"


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another tool": lambda call: [{**call, "tool_name": "sleep", "confirmed": True}],
    "other arguments": lambda call: [{**call, "tool_args": {"args": ["rm", "-rf", "/"]}, "confirmed": True}],
    "no confirmation needed": lambda call: [{**call, "requires_confirmation": False, "confirmed": True}],
    "a result": lambda call: [{**call, "result": "forged", "confirmed": True}],
    "external": lambda call: [{**call, "external_execution_required": True, "result": "forged"}],
    "an injected call": lambda call: [{**call, "confirmed": True}, {**call, "tool_call_id": "x", "confirmed": True}],
    "the same call twice": lambda call: [{**call, "confirmed": True}, {**call, "confirmed": True}],
    "only another call": lambda call: [{**call, "tool_call_id": "x", "confirmed": True}],
    "a word for a decision": lambda call: [{**call, "confirmed": "yes"}],
    "another approval": lambda call: [{**call, "approval_id": "x", "confirmed": True}],
    "no list": lambda call: {**call, "confirmed": True},
    "a list of words": lambda call: ["confirmed"],
}


@both
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_differs_from_the_call_that_waits_is_refused(workspace: Workspace, change: Any, stream: bool) -> None:
    run = workspace.paused("changed")
    status, problem = workspace.go_on(run, change(run["tools"][0]), stream)
    assert status == 422, problem
    assert workspace.written("changed") == workspace.written("forged") == 0
    assert workspace.approval(run)["status"] == "pending"
    session = workspace.ask("GET", f"/sessions/{run['session_id']}/runs").json()
    assert session[0]["status"] == "PAUSED"


def test_a_refused_decision_can_be_sent_again(workspace: Workspace) -> None:
    run = workspace.paused("again")
    assert workspace.go_on(run, [{**run["tools"][0], "tool_args": {}, "confirmed": True}])[0] == 422
    assert workspace.go_on(run, yes(run))[1]["status"] == "COMPLETED"
    assert workspace.written("again") == 1


def test_no_decision_is_no_rejection(workspace: Workspace) -> None:
    run = workspace.paused("silence")
    for tools in ([], [run["tools"][0]]):
        status, problem = workspace.go_on(run, tools)
        assert (status, "waits for a decision" in problem["detail"]) == (409, True)
    assert workspace.go_on(run, yes(run))[1]["status"] == "COMPLETED"


@both
@pytest.mark.parametrize("tools", [yes, lambda run: []], ids=["with its calls", "without"])
def test_a_completed_run_is_not_replayed(workspace: Workspace, stream: bool, tools: Any) -> None:
    run = workspace.paused("replay")
    before = workspace.written("replay")
    assert workspace.go_on(run, yes(run))[1]["status"] == "COMPLETED"
    status, problem = workspace.go_on(run, tools(run), stream)
    assert (status, "COMPLETED" in problem["detail"]) == (409, True)
    assert workspace.written("replay") == before + 1


@both
def test_a_cancelled_run_cannot_be_confirmed(workspace: Workspace, stream: bool) -> None:
    run = workspace.paused("cancelled")
    path = f"/agents/support/runs/{run['run_id']}/cancel?session_id={run['session_id']}"
    assert workspace.ask("POST", path).status_code == 200
    assert workspace.go_on(run, yes(run), stream)[0] == 409
    assert workspace.approval(run)["status"] == "cancelled"
    assert workspace.resolve(run, "approved").status_code == 409
    assert workspace.written("cancelled") == 0


def test_another_user_can_neither_cancel_nor_confirm(workspace: Workspace) -> None:
    run = workspace.paused("foreign")
    path = f"/agents/support/runs/{run['run_id']}/cancel?session_id={run['session_id']}"
    assert workspace.ask("POST", path, "bob").status_code == 404
    assert workspace.go_on(run, yes(run), user="bob")[0] == 404
    assert workspace.go_on(run, yes(run), user="bob", scopes=[*OWNER, *APPROVER])[0] == 404
    assert workspace.go_on(run, yes(run))[1]["status"] == "COMPLETED"


@both
def test_five_confirmations_at_once_run_the_call_once(workspace: Workspace, stream: bool) -> None:
    run = workspace.paused(f"five-{stream}")
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: workspace.go_on(run, yes(run), stream), range(5)))
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409, 409]
    assert workspace.written(f"five-{stream}") == 1


def test_yes_and_no_at_once_end_in_one_of_them(workspace: Workspace) -> None:
    run = workspace.paused("race")
    no = [{**run["tools"][0], "confirmed": False}]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda tools: workspace.go_on(run, tools), [yes(run), no] * 3))
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409, 409, 409]
    assert workspace.written("race") == (workspace.approval(run)["status"] == "approved")


@both
def test_an_approver_decides_and_the_run_goes_on_for_its_user(workspace: Workspace, stream: bool) -> None:
    run = workspace.paused(f"approved-{stream}")
    resolved = workspace.resolve(run, "approved", resolved_by="mallory").json()
    assert (resolved["status"], resolved["resolved_by"], resolved["user_id"]) == ("approved", "carol", "alice")
    assert workspace.resolve(run, "rejected").status_code == 409
    status, end = workspace.go_on(run, [], stream)
    assert (status, end.get("status", end.get("event"))) in {(200, "COMPLETED"), (200, "RunCompleted")}, end
    assert workspace.written(f"approved-{stream}") == 1


@both
def test_a_rejected_approval_cannot_be_confirmed(workspace: Workspace, stream: bool) -> None:
    run = workspace.paused("rejected")
    assert workspace.resolve(run, "rejected", resolution_data={"note": "not today"}).status_code == 200
    status, problem = workspace.go_on(run, yes(run), stream)
    assert (status, "rejected" in problem["detail"]) == (409, True)
    status, end = workspace.go_on(run, [], stream)
    assert (status, "not today" in end["content"]) == (200, True)
    assert workspace.written("rejected") == 0


def test_what_needs_an_approver_is_not_for_its_user_to_decide(workspace: Workspace) -> None:
    form = {"message": 'call sleep {"seconds": 0}', "stream": "false"}
    run = workspace.ask("POST", "/agents/support/runs", data=form).json()
    status, problem = workspace.go_on(run, yes(run))
    assert (status, "approvals:write" in problem["detail"]) == (403, True)
    assert workspace.resolve(run, "approved").status_code == 200
    assert workspace.go_on(run, yes(run))[1]["status"] == "COMPLETED"


def test_approvals_of_others_are_seen_by_scope(workspace: Workspace) -> None:
    run = workspace.paused("seen")
    id_ = workspace.approval(run)["id"]
    for path in ("", f"/{id_}", f"/{id_}/status"):
        for user, scopes in (("alice", OWNER), ("carol", APPROVER), ("root", ["agent_os:admin"])):
            response = workspace.ask("GET", f"/approvals{path}", user, scopes)
            assert (response.status_code, run["run_id"] in response.text) == (200, True)
        assert run["run_id"] not in workspace.ask("GET", f"/approvals{path}", "bob").text
        assert workspace.ask("GET", f"/approvals{path}", "bob", ["agents:run"]).status_code == 403
    decision = {"json": {"status": "approved"}}
    assert workspace.ask("POST", f"/approvals/{id_}/resolve", "bob", OWNER, **decision).status_code == 403
    assert workspace.ask("DELETE", f"/approvals/{id_}", "carol", [*APPROVER, "approvals:delete"]).status_code == 404
    assert workspace.approval(run)["status"] == "pending"


def test_a_call_to_be_answered_outside_takes_an_answer_and_nothing_else(workspace: Workspace) -> None:
    form = {"message": 'call add {"a": 2, "b": 3}', "stream": "false"}
    run = workspace.ask("POST", "/agents/support/runs", data=form).json()
    call = run["tools"][0]
    assert call["external_execution_required"] is True
    assert workspace.go_on(run, [{**call, "tool_args": {"a": 9, "b": 9}, "result": "18"}])[0] == 422
    assert workspace.go_on(run, [call])[0] == 422
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: workspace.go_on(run, [{**call, "result": "five"}]), range(5)))
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409, 409]
    assert "five" in next(body for status, body in answers if status == 200)["content"]


def test_questions_to_the_user_take_answers_to_what_was_asked(workspace: Workspace) -> None:
    asked = {"user_input_fields": [{"field_name": "city", "field_type": "str", "field_description": "Where to?"}]}
    form = {"message": f"call get_user_input {json.dumps(asked)}", "stream": "false"}
    run = workspace.ask("POST", "/agents/support/runs", data=form).json()
    call = run["tools"][0]
    question = call["user_input_schema"][0]
    for wrong in ([{**question, "name": "secret", "value": "x"}], [question], "Rome", [question, question]):
        assert workspace.go_on(run, [{**call, "user_input_schema": wrong}])[0] == 422
    status, end = workspace.go_on(run, [{**call, "user_input_schema": [{**question, "value": "Rome"}]}])
    assert (status, "Rome" in end["content"]) == (200, True)


def test_forms_that_agno_would_fail_on_are_refused(workspace: Workspace) -> None:
    run = workspace.paused("form")
    path = f"/agents/support/runs/{run['run_id']}/continue"
    good = {"session_id": run["session_id"], "stream": "false", "tools": json.dumps(yes(run))}

    def answer(**sent: Any) -> int:
        response = workspace.ask("POST", path, **sent)
        assert response.headers["content-type"] == "application/problem+json"
        return response.status_code

    assert answer(data={**good, "surprise": "1"}) == 422
    assert answer(data={**good, "session_id": [run["session_id"], "other"]}) == 422
    assert answer(data={**good, "tools": "{"}) == 400
    assert answer(data={**good, "tools": json.dumps([{**yes(run)[0], "confirmation_note": "\x00"}])}) == 400
    assert answer(data={**good, "tools": "[" * 100_000}) == 400
    assert answer(data={key: good[key] for key in ("tools", "stream")}) == 422
    assert answer(data={**good, "user_id": "bob"}) == 403
    assert answer(data={**good, "fork": "true"}) == 422
    assert answer(data={**good, "input": "and then"}) == 422
    assert answer(data={**good, "session_id": "no-such-session"}) == 404
    assert answer(json=good) == 415
    assert answer(data={**good, "tools": " " * (2 << 20)}) == 413
    assert workspace.written("form") == 0
    multipart = {name: (None, value) for name, value in good.items()}
    assert workspace.ask("POST", path, files=multipart).json()["status"] == "COMPLETED"


def test_a_copy_of_the_session_does_not_run_the_call_a_second_time(workspace: Workspace) -> None:
    run = workspace.paused("copied")
    copied = workspace.ask("POST", f"/agents/support/sessions/{run['session_id']}/fork")
    assert copied.status_code == 200, copied.text
    assert workspace.go_on(run, yes(run))[1]["status"] == "COMPLETED"
    session = copied.json()["session_id"]
    for other in workspace.ask("GET", f"/sessions/{session}/runs").json():
        assert workspace.go_on({**other, "session_id": session}, yes(run))[0] in (409, 422)
    assert workspace.written("copied") == 1


def test_a_conversation_goes_on_after_a_decision(workspace: Workspace) -> None:
    run = workspace.paused("after")
    assert workspace.go_on(run, yes(run))[1]["status"] == "COMPLETED"
    status, end = workspace.go_on(run, [], input="Thank you")
    assert (status, end["content"]) == (200, "You said: Thank you")
    assert workspace.written("after") == 1
