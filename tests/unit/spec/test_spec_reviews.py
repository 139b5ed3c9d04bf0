"""`humanReview` of a step: what agno takes and then does not do as it is read is refused, with what to do instead."""

from __future__ import annotations

from typing import Any

import pytest

from agentos_spec import SpecError, SpecReason, StepSpec, parse_spec, reviewed_by_approvers

ASK = {"name": "ask", "agent": "writer"}
INSIDE: dict[str, dict[str, Any]] = {
    "Step": ASK,
    "Steps": {"type": "Steps", "name": "ask", "steps": [ASK]},
    "Parallel": {"type": "Parallel", "name": "ask", "steps": [ASK]},
    "Condition": {"type": "Condition", "name": "ask", "evaluator": "true", "steps": [ASK]},
    "Loop": {"type": "Loop", "name": "ask", "steps": [ASK]},
    "Router": {"type": "Router", "name": "ask", "choices": [ASK]},
}
FIELDS = [{"name": "amount", "fieldType": "int", "allowedValues": [1, 2]}, {"name": "why", "required": False}]


def step(type_: str, review: dict[str, Any], **more: Any) -> StepSpec:
    document = {
        "kind": "AgentDeployment",
        "metadata": {"name": "reviews"},
        "spec": {
            "agents": [{"id": "writer", "model": {"id": "openai-chat:gpt-4o-mini"}}],
            "workflows": [{"id": "story", "steps": [{**INSIDE[type_], "humanReview": review, **more}]}],
        },
    }
    return parse_spec(document).workflows[0].steps[0]


@pytest.mark.parametrize(
    ("type_", "review", "more"),
    [
        ("Step", {"requiresConfirmation": True, "confirmationMessage": "Really?", "onReject": "cancel"}, {}),
        ("Step", {"requiresOutputReview": True, "onReject": "retry", "maxRetries": 2, "requiresApproval": True}, {}),
        ("Step", {"requiresUserInput": True, "userInputSchema": FIELDS}, {}),
        ("Steps", {"requiresConfirmation": True}, {}),
        ("Condition", {"requiresConfirmation": True, "onReject": "skip"}, {}),
        ("Loop", {"requiresConfirmation": True}, {}),
        ("Router", {"requiresUserInput": True, "allowMultipleSelections": True}, {}),
        ("Router", {"requiresConfirmation": True}, {"selector": '"ask"'}),
    ],
)
def test_a_step_waits_with_the_words_of_agno(type_: str, review: dict[str, Any], more: dict[str, Any]) -> None:
    found = step(type_, review, **more).review
    assert found is not None
    said = {name.replace("_", "").lower(): value for name, value in found.parameters.items()}
    for name, value in review.items():
        if name not in ("requiresApproval", "userInputSchema"):
            assert said[name.lower()] == value
    assert found.by_approver == review.get("requiresApproval", False)


def test_the_fields_that_are_asked_for_become_agnos() -> None:
    found = step("Step", {"requiresUserInput": True, "userInputSchema": FIELDS}).review
    assert found is not None
    amount, why = found.parameters["user_input_schema"]
    assert (amount["field_type"], amount["required"], amount["allowed_values"]) == ("int", True, [1, 2])
    assert (why["field_type"], why["required"], why["allowed_values"]) == ("str", False, None)


def test_a_condition_that_was_refused_does_its_else_steps_and_others_are_skipped() -> None:
    for type_, other in {"Condition": "else", "Loop": "skip", "Step": "skip"}.items():
        found = step(type_, {"requiresConfirmation": True}).review
        assert found is not None
        assert found.parameters["on_reject"] == other


def test_the_steps_that_an_approver_decides_about_are_known_by_name() -> None:
    review = {"requiresConfirmation": True, "requiresApproval": True}
    document: dict[str, Any] = {
        "kind": "AgentDeployment",
        "metadata": {"name": "reviews"},
        "spec": {
            "agents": [{"id": "writer", "model": {"id": "openai-chat:gpt-4o-mini"}}],
            "workflows": [{"id": "story", "steps": [{**ASK, "humanReview": review}, {**ASK, "name": "other"}]}],
        },
    }
    assert reviewed_by_approvers(parse_spec(document)) == {"story": {"ask"}}


YES = {"requiresConfirmation": True}
REFUSED: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "in parallel": ("Parallel", YES, {}, "humanReview: a Parallel cannot wait; put a step before it that does"),
    "nothing": ("Step", {}, {}, "humanReview: says nothing to wait for; set one of requiresConfirmation"),
    "nothing but who": ("Step", {"requiresApproval": True}, {}, "says nothing to wait for"),
    "unknown": ("Step", {"requireConfirmation": True}, {}, "(did you mean 'requiresConfirmation'?)"),
    "not of a loop": ("Loop", {"requiresOutputReview": True}, {}, "unknown field 'requiresOutputReview'"),
    "a timeout": ("Step", {**YES, "timeout": 60}, {}, "unknown field 'timeout'"),
    "an answer to nothing": (
        "Step",
        {**YES, "outputReviewMessage": "Good?"},
        {},
        "outputReviewMessage means nothing without requiresOutputReview: true",
    ),
    "a retry of what never ran": ("Step", {**YES, "onReject": "retry"}, {}, "would run what was refused"),
    "else of no condition": ("Step", {**YES, "onReject": "else"}, {}, "'else' is none of skip, cancel, retry"),
    "tries without retry": ("Step", {"requiresOutputReview": True, "maxRetries": 2}, {}, "maxRetries means nothing"),
    "input without fields": ("Step", {"requiresUserInput": True}, {}, "requiresUserInput needs userInputSchema"),
    "input and a yes": (
        "Step",
        {**YES, "requiresUserInput": True, "userInputSchema": FIELDS},
        {},
        "make two steps of it",
    ),
    "input of an approver": (
        "Step",
        {"requiresUserInput": True, "userInputSchema": FIELDS, "requiresApproval": True},
        {},
        "an approver cannot answer in the user's place",
    ),
    "a field of no type": (
        "Step",
        {"requiresUserInput": True, "userInputSchema": [{"name": "a", "fieldType": "number"}]},
        {},
        "userInputSchema[0].fieldType: 'number' is none of str, int",
    ),
    "a field twice": (
        "Step",
        {"requiresUserInput": True, "userInputSchema": [{"name": "a"}, {"name": "a"}]},
        {},
        "userInputSchema: asks for 'a' twice",
    ),
    "a way that is chosen twice": (
        "Router",
        {"requiresUserInput": True},
        {"selector": '"ask"'},
        "with requiresUserInput the user chooses; take selector out of the step",
    ),
    "a way that nobody chooses": ("Router", YES, {}, "selector is missing"),
    "rounds": ("Loop", {"requiresIterationReview": True}, {}, "unknown field 'requiresIterationReview'"),
}


@pytest.mark.parametrize(("type_", "review", "more", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_step_cannot_wait_for_is_refused(
    type_: str, review: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError) as refused:
        step(type_, review, **more)
    assert refused.value.reason == SpecReason.INVALID_SPEC
    assert message in str(refused.value)
    assert str(refused.value).startswith("spec.workflows[0].steps[0]")
