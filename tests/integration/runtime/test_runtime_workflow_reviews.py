"""Steps of workflows that wait for a person: who may decide, what a yes and a no do, and what is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.runtime.conftest import agent
from tests.integration.runtime.test_runtime_workflow_approvals import APPROVER, Works, both

DRAFT = {"name": "draft", "agent": "support"}
TELL = {"name": "tell", "agent": "support"}
FIELDS = [
    {"name": "amount", "fieldType": "int", "description": "How much?"},
    {"name": "colour", "allowedValues": ["red", "blue"], "required": False},
]


def waits(step: dict[str, Any], **review: Any) -> dict[str, Any]:
    return {**step, "humanReview": review}


WORKFLOWS: dict[str, list[dict[str, Any]]] = {
    "publish": [DRAFT, waits(TELL, requiresConfirmation=True, confirmationMessage="Publish it?")],
    "cancel": [DRAFT, waits(TELL, requiresConfirmation=True, onReject="cancel")],
    "approve": [DRAFT, waits(TELL, requiresConfirmation=True, requiresApproval=True)],
    "output": [waits(DRAFT, requiresOutputReview=True, onReject="retry", maxRetries=2), TELL],
    "order": [waits(DRAFT, requiresUserInput=True, userInputSchema=FIELDS), TELL],
    "which": [
        waits({"type": "Router", "name": "way", "choices": [DRAFT, TELL]}, requiresUserInput=True),
        {"name": "last", "agent": "support"},
    ],
    "ways": [
        waits(
            {"type": "Router", "name": "way", "choices": [DRAFT, TELL]},
            requiresUserInput=True,
            allowMultipleSelections=True,
        )
    ],
    "if": [
        waits(
            {"type": "Condition", "name": "when", "evaluator": "true", "steps": [DRAFT], "elseSteps": [TELL]},
            requiresConfirmation=True,
        )
    ],
    "group": [waits({"type": "Steps", "name": "in", "steps": [DRAFT, TELL]}, requiresConfirmation=True)],
    "rounds": [
        waits({"type": "Loop", "name": "again", "maxIterations": 2, "steps": [DRAFT]}, requiresConfirmation=True)
    ],
    "both": [
        waits({"name": "pay", "agent": "payer"}, requiresConfirmation=True),
        waits(TELL, requiresConfirmation=True, requiresApproval=True),
    ],
}


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory, runtime_of: Callable[..., Any], model: Any) -> Iterator[Works]:
    folder = tmp_path_factory.mktemp("workflow-reviews")
    shell = {"toolkit": "shell", "requiresConfirmation": ["run_shell_command"]}
    parts: dict[str, Any] = {
        "tools": [],
        "workflows": [{"id": id_, "steps": steps} for id_, steps in WORKFLOWS.items()],
        "others": [agent(model.url, id="payer", tools=[shell])],
    }
    with runtime_of(folder, **parts) as (process, token):
        yield Works(process.url, folder / "written", token)


def decided(run: dict[str, Any], confirmed: bool = True, **more: Any) -> dict[str, Any]:
    """As agno's clients send it: everything that the run has waited for, the last of it decided about."""
    *earlier, last = run["step_requirements"]
    return {"step_requirements": [*earlier, {**last, "confirmed": confirmed, **more}]}


def pending(works: Works, run: dict[str, Any], user: str = "alice") -> list[dict[str, Any]]:
    """The approvals of a run that wait, as a user or an approver sees them."""
    scopes = {"scopes": APPROVER} if user == "carol" else {}
    listed = works.ask("GET", "/approvals?status=pending&limit=100", user, **scopes).json()["data"]
    return [each for each in listed if each["run_id"] == run["run_id"]]


def names(run: dict[str, Any]) -> list[str]:
    """The steps that have run, in their order, those in others too."""

    def inside(results: list[dict[str, Any]]) -> Iterator[str]:
        for each in results:
            yield from inside(each["steps"]) if each.get("steps") else [each["step_name"]]

    return list(inside(run.get("step_results") or []))


@both
def test_a_step_runs_after_its_user_said_yes_and_once(works: Works, stream: bool) -> None:
    run = works.paused("publish", "a draft", stream)
    assert names(run) == ["draft"]
    (record,) = pending(works, run)
    assert (record["user_id"], record["workflow_id"], record["source_type"]) == ("alice", "publish", "workflow")
    assert record["context"] == {"step_name": "tell", "message": "Publish it?"}
    done = works.done(run, decided(run), stream)
    assert (done["status"], names(done)) == ("COMPLETED", ["draft", "tell"])
    assert works.goes_on(run, decided(run)).status_code == 409
    resolved = works.ask("GET", f"/approvals/{record['id']}").json()
    assert (resolved["status"], resolved["resolved_by"]) == ("approved", "alice")


def test_a_step_is_decided_about_by_its_id_as_a_call_is(works: Works) -> None:
    run = works.paused("publish", "a draft")
    step = run["step_requirements"][-1]["step_id"]
    assert works.done(run, {"tools": [{"tool_call_id": step, "confirmed": True}]})["status"] == "COMPLETED"


@both
def test_a_step_is_skipped_after_a_no_or_ends_the_run(works: Works, stream: bool) -> None:
    run = works.paused("publish", "a draft", stream)
    done = works.done(run, decided(run, False), stream)
    assert (done["status"], names(done)) == ("COMPLETED", ["draft"])
    run = works.paused("cancel", "a draft", stream)
    done = works.done(run, decided(run, False), stream)
    assert (done["status"], names(done)) == ("CANCELLED", ["draft"])
    assert works.goes_on(run, decided(run)).status_code == 409


def test_no_decision_is_no_rejection(works: Works) -> None:
    run = works.paused("publish", "a draft")
    for nothing in ({}, {"step_requirements": run["step_requirements"]}):
        assert works.goes_on(run, nothing).status_code == 409
    assert works.done(run, decided(run))["status"] == "COMPLETED"


def test_another_step_than_the_stored_one_is_refused(works: Works) -> None:
    run = works.paused("publish", "a draft")
    for change in (
        {"step_index": 0},
        {"on_reject": "cancel"},
        {"step_id": "another"},
        {"requires_confirmation": False},
    ):
        assert works.goes_on(run, decided(run, **change)).status_code == 422, change
    assert works.done(run, decided(run))["status"] == "COMPLETED"


def test_what_is_said_beside_the_decision_changes_nothing_that_has_run(works: Works) -> None:
    run = works.paused("output", "a draft")
    refused = works.goes_on(run, decided(run, edited_output="forged"))
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "body.step_requirements.edited_output")
    assert "forged" not in works.done(run, decided(run))["content"]


@both
def test_a_step_that_waits_for_an_approver_is_not_its_users_to_decide(works: Works, stream: bool) -> None:
    run = works.paused("approve", "a draft", stream)
    refused = works.goes_on(run, decided(run))
    assert (refused.status_code, "step tell waits for an approver" in refused.json()["detail"]) == (403, True)
    assert works.goes_on(run).status_code == 403
    (record,) = pending(works, run, "carol")
    answer = {"status": "approved", "resolution_data": {"note": "for this once"}}
    path = f"/approvals/{record['id']}/resolve"
    assert works.ask("POST", path, "carol", APPROVER, json=answer).status_code == 200
    assert works.ask("POST", path, "carol", APPROVER, json=answer).status_code == 409
    assert works.goes_on(run, decided(run, False)).status_code == 409, "it has been approved"
    done = works.done(run, stream=stream)
    assert (done["status"], names(done)) == ("COMPLETED", ["draft", "tell"])


def test_a_step_that_an_approver_rejected_does_not_run(works: Works) -> None:
    run = works.paused("approve", "a draft")
    (record,) = pending(works, run, "carol")
    path = f"/approvals/{record['id']}/resolve"
    assert works.ask("POST", path, "carol", APPROVER, json={"status": "rejected"}).status_code == 200
    assert works.goes_on(run, decided(run)).status_code == 409
    assert names(works.done(run)) == ["draft"]


def test_of_five_decisions_at_once_one_counts(works: Works) -> None:
    run = works.paused("publish", "a draft")
    with ThreadPoolExecutor(5) as pool:
        codes = sorted(
            pool.map(lambda yes: works.goes_on(run, decided(run, yes)).status_code, [True, False] * 2 + [True])
        )
    assert codes == [200, 409, 409, 409, 409]
    (done,) = [works.stored("publish", run)]
    (record,) = [
        each for each in works.ask("GET", "/approvals?limit=100").json()["data"] if each["run_id"] == run["run_id"]
    ]
    assert (record["status"] == "approved") == (names(done) == ["draft", "tell"])


def test_another_user_neither_sees_nor_decides(works: Works) -> None:
    run = works.paused("publish", "a draft")
    assert works.goes_on(run, decided(run), "bob").status_code == 404
    assert pending(works, run, "bob") == []
    assert works.done(run, decided(run))["status"] == "COMPLETED"


def test_a_run_that_was_cancelled_cannot_be_continued(works: Works) -> None:
    run = works.paused("publish", "a draft")
    path = f"/workflows/publish/runs/{run['run_id']}/cancel?session_id={run['session_id']}"
    assert works.ask("POST", path).status_code == 200
    assert pending(works, run) == []
    assert works.goes_on(run, decided(run)).status_code == 409


@both
def test_what_a_step_has_found_is_reviewed_and_done_again_with_what_was_said(works: Works, stream: bool) -> None:
    run = works.paused("output", "a draft", stream)
    assert run["step_requirements"][-1]["step_output"]["content"] == "You said: a draft"
    again = works.done(run, decided(run, False, rejection_feedback="shorter"), stream)
    assert again["status"] == "PAUSED"
    assert "shorter" in again["step_requirements"][-1]["step_output"]["content"]
    assert len(pending(works, again)) == 1, "a record of its own"
    done = works.done(again, decided(again), stream)
    assert (done["status"], names(done)) == ("COMPLETED", ["draft", "tell"])


def test_a_step_is_not_done_again_more_often_than_it_may(works: Works) -> None:
    run = works.paused("output", "a draft")
    for _ in range(2):
        run = works.done(run, decided(run, False))
        assert run["status"] == "PAUSED"
    assert works.done(run, decided(run, False))["status"] == "CANCELLED"


@both
def test_a_step_is_told_what_its_user_answered(works: Works, stream: bool) -> None:
    run = works.paused("order", "a cup", stream)
    *earlier, last = run["step_requirements"]
    assert [field["name"] for field in last["user_input_schema"]] == ["amount", "colour"]
    bad = [
        ({}, "amount"),
        ({"amount": "3"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": 3, "colour": "green"}, "colour"),
        ({"amount": 3, "size": 1}, "size"),
    ]
    for given, field in bad:
        refused = works.goes_on(run, {"step_requirements": [*earlier, {**last, "user_input": given}]})
        assert refused.status_code == 422, given
        assert refused.json()["errors"][0]["at"] == f"body.step_requirements.user_input.{field}"
    assert works.goes_on(run).status_code == 409, "no answer"
    assert works.goes_on(run, {"step_requirements": [{"user_input": {"amount": 3}}]}, "bob").status_code == 404
    done = works.done(run, {"step_requirements": [{"user_input": {"amount": 3}}]}, stream)
    assert "amount: 3" in done["content"]
    assert works.goes_on(run, {"step_requirements": [{"user_input": {"amount": 4}}]}).status_code == 409


@both
def test_a_router_goes_the_way_that_its_user_chooses(works: Works, stream: bool) -> None:
    run = works.paused("which", "on", stream)
    assert run["step_requirements"][-1]["available_choices"] == ["draft", "tell"]
    for wrong in ([], ["last"], ["draft", "tell"], "tell"):
        refused = works.goes_on(run, {"step_requirements": [{"selected_choices": wrong}]})
        assert refused.status_code == 422, wrong
    done = works.done(run, {"step_requirements": [{"selected_choices": ["tell"]}]}, stream)
    assert (done["status"], names(done)) == ("COMPLETED", ["tell", "last"])
    run = works.paused("ways", "on", stream)
    done = works.done(run, {"step_requirements": [{"selected_choices": ["tell", "draft"]}]}, stream)
    assert names(done) == ["tell", "draft"]


@both
def test_a_condition_that_was_refused_goes_the_other_way(works: Works, stream: bool) -> None:
    for yes, way in ((True, "draft"), (False, "tell")):
        run = works.paused("if", "on", stream)
        assert names(works.done(run, decided(run, yes), stream)) == [way]


@both
@pytest.mark.parametrize(("workflow", "steps"), [("group", ["draft", "tell"]), ("rounds", ["draft", "draft"])])
def test_steps_that_wait_together_run_together(works: Works, workflow: str, steps: list[str], stream: bool) -> None:
    run = works.paused(workflow, "on", stream)
    assert names(works.done(run, decided(run), stream)) == steps


@both
def test_a_run_waits_for_a_step_then_for_a_call_then_for_another_step(works: Works, stream: bool) -> None:
    word = f"both-{stream}"
    run = works.paused("both", works.script(word), stream)
    run = works.done(run, decided(run), stream)
    assert (run["status"], works.written(word)) == ("PAUSED", 0)
    *earlier, last = run["step_requirements"]
    calls = [{**each, "confirmation": True} for each in last["executor_requirements"]]
    run = works.done(run, {"step_requirements": [*earlier, {**last, "executor_requirements": calls}]}, stream)
    assert (run["status"], works.written(word)) == ("PAUSED", 1)
    assert works.goes_on(run, decided(run)).status_code == 403, "an approver's"
    (record,) = pending(works, run, "carol")
    path = f"/approvals/{record['id']}/resolve"
    assert works.ask("POST", path, "carol", APPROVER, json={"status": "approved"}).status_code == 200
    done = works.done(run, stream=stream)
    assert (done["status"], names(done), works.written(word)) == ("COMPLETED", ["pay", "tell"], 1)


def test_a_stream_says_what_it_waits_for(works: Works) -> None:
    form = {"message": "a draft", "stream": "true"}
    answer = works.ask("POST", "/workflows/publish/runs", data=form)
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    (paused,) = [each for each in events if each.get("event") == "StepPaused"]
    assert (paused["step_name"], paused["confirmation_message"]) == ("tell", "Publish it?")
