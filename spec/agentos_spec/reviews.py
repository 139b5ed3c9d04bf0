"""`humanReview` of a step: what it waits for a person with, in the words of agno's HumanReview.

What agno takes and then does not do, or does other than a reader would think, is refused here; docs/decisions/0044
names the places in its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentos_spec.kinds import Choice, Flag, Kind, Text, Whole, camel, read_parameters
from agentos_spec.model import ReviewSpec
from agentos_spec.node import Node

_FIELD_TYPES = ("str", "int", "float", "bool", "list", "dict")
_MOST_FIELDS = 32
_DECISIONS = ("requires_confirmation", "requires_output_review")
"""What a yes or a no answers."""
_MESSAGES = {
    "confirmation_message": "requires_confirmation",
    "user_input_message": "requires_user_input",
    "user_input_schema": "requires_user_input",
    "allow_multiple_selections": "requires_user_input",
    "output_review_message": "requires_output_review",
}
"""Fields that mean nothing without the one that they belong to."""


class Fields:
    """What the user is asked for: agno's UserInputFields."""

    def read(self, node: Node) -> list[dict[str, Any]]:
        fields = [self._field(item) for item in node.items(at_least=1, at_most=_MOST_FIELDS)]
        names = [field["name"] for field in fields]
        for place, name in enumerate(names):
            if names.index(name) != place:
                node.fail(f"asks for {name!r} twice")
        return fields

    def _field(self, node: Node) -> dict[str, Any]:
        have = node.fields(["name"], ["fieldType", "description", "required", "allowedValues"])
        return {
            "name": have["name"].text(),
            "field_type": Choice(_FIELD_TYPES).read(have["fieldType"]) if "fieldType" in have else "str",
            "description": have["description"].text() if "description" in have else None,
            "required": have["required"].flag() if "required" in have else True,
            "allowed_values": [n.value for n in have["allowedValues"].items(at_least=1, at_most=100)]
            if "allowedValues" in have
            else None,
        }


_CONFIRMATION: dict[str, Kind] = {"requires_confirmation": Flag(), "confirmation_message": Text()}
_INPUT: dict[str, Kind] = {"requires_user_input": Flag(), "user_input_message": Text()}
_OUTPUT: dict[str, Kind] = {
    "requires_output_review": Flag(),
    "output_review_message": Text(),
    "max_retries": Whole(1, 100),
}

REVIEWS: dict[str, dict[str, Kind]] = {
    "Step": {
        **_CONFIRMATION,
        **_INPUT,
        "user_input_schema": Fields(),
        **_OUTPUT,
        "on_reject": Choice(("skip", "cancel", "retry")),
    },
    "Steps": {**_CONFIRMATION, "on_reject": Choice(("skip", "cancel"))},
    "Condition": {**_CONFIRMATION, "on_reject": Choice(("skip", "cancel", "else"))},
    "Loop": {**_CONFIRMATION, "on_reject": Choice(("skip", "cancel"))},
    "Router": {
        **_CONFIRMATION,
        **_INPUT,
        "allow_multiple_selections": Flag(),
        **_OUTPUT,
        "on_reject": Choice(("skip", "cancel", "retry")),
    },
}
"""By the type of a step; what is done in parallel cannot wait."""


def parse_review(node: Node, type_: str, step: Mapping[str, Node], *, outermost: bool) -> ReviewSpec:
    """The review of a step of this type; `step` holds its fields, `outermost` whether it is in no other step."""
    kinds = REVIEWS.get(type_)
    if kinds is None:
        node.fail(f"a {type_} cannot wait; put a step before it that does")
    if not outermost:
        node.fail("only steps of the workflow itself wait, and none inside of another step; take this one out of it")
    have = node.fields([], [*map(camel, kinds), "requiresApproval"])
    given = read_parameters(have, kinds)
    review = ReviewSpec(
        parameters={"on_reject": "else" if type_ == "Condition" else "skip", **given},
        by_approver="requiresApproval" in have and have["requiresApproval"].flag(),
        path=node.path,
    )
    _check(node, review, type_, step)
    return review


def _check(node: Node, review: ReviewSpec, type_: str, step: Mapping[str, Node]) -> None:
    said = review.parameters
    waits = [name for name in (*_DECISIONS, "requires_user_input") if said.get(name)]
    offered = ", ".join(camel(name) for name in REVIEWS[type_] if name.startswith("requires_"))
    if not waits:
        node.fail(f"says nothing to wait for; set one of {offered} to true")
    for name, flag in _MESSAGES.items():
        if name in said and flag not in waits:
            node.fail(f"{camel(name)} means nothing without {camel(flag)}: true")
    if review.by_approver and "requires_user_input" in waits:
        node.fail("an approver cannot answer in the user's place; take requiresApproval or requiresUserInput out")
    if "requires_user_input" in waits and len(waits) > 1:
        node.fail("a step either asks its user for something or waits for a yes; make two steps of it")
    _check_retry(node, said, waits)
    _check_input(node, said, type_, step)


def _check_retry(node: Node, said: Mapping[str, Any], waits: list[str]) -> None:
    """agno runs a step that was refused before it ran, and calls that a retry."""
    if said["on_reject"] == "retry" and "requires_confirmation" in waits:
        node.fail("onReject: retry would run what was refused; use it with a review of what has run, or skip or cancel")
    if said["on_reject"] == "retry" and waits == ["requires_user_input"]:
        node.fail("onReject means nothing with requiresUserInput, which nobody can reject; leave it out")
    if "max_retries" in said and said["on_reject"] != "retry":
        node.fail("maxRetries means nothing without onReject: retry")


def _check_input(node: Node, said: Mapping[str, Any], type_: str, step: Mapping[str, Node]) -> None:
    if not said.get("requires_user_input"):
        return
    if type_ == "Router":
        if "selector" in step:
            node.fail("with requiresUserInput the user chooses; take selector out of the step")
        return
    if "user_input_schema" not in said:
        node.fail("requiresUserInput needs userInputSchema, the fields that are asked for")
    if "workflow" in step:
        node.fail("only an agent or a team is told what the user answers; requiresUserInput has no meaning here")
