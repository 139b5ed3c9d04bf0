"""Workflows and their steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agentos_spec.components import LABEL, LABEL_MEANS
from agentos_spec.kinds import Choice, camel, read_parameters
from agentos_spec.model import StepSpec, WorkflowSpec
from agentos_spec.node import Node
from agentos_spec.parameters import STEPS, WORKFLOW
from agentos_spec.reviews import parse_review

_DEEPEST = 8
"""Levels of steps in steps: deeper ones are a mistake, or meant to exhaust a parser."""
_EXECUTORS = ("agent", "team", "workflow")


@dataclass(frozen=True)
class _Shape:
    """The fields of one type of step, in agno's terms."""

    inside: str | None = "steps"
    """The field that holds other steps."""
    otherwise: str | None = None
    """The field that holds those that run when the expression does not hold."""
    expression: str | None = None
    """The field with a CEL expression."""
    must_decide: bool = False
    may_skip: bool = False


_SHAPES: dict[str, _Shape] = {
    "Step": _Shape(inside=None, may_skip=True),
    "Steps": _Shape(),
    "Parallel": _Shape(),
    "Condition": _Shape(otherwise="elseSteps", expression="evaluator", must_decide=True, may_skip=True),
    "Loop": _Shape(expression="endCondition"),
    "Router": _Shape(inside="choices", expression="selector", must_decide=True),
}


def parse_workflow(node: Node) -> WorkflowSpec:
    """One entry of `spec.workflows`; whether what its steps name exists is not judged here."""
    have = node.fields(["id", "steps"], ["name", *map(camel, WORKFLOW)])
    return WorkflowSpec(
        id=have["id"].name(LABEL, LABEL_MEANS),
        steps=_steps(have["steps"], 1),
        name=have["name"].text() if "name" in have else None,
        parameters=read_parameters(have, WORKFLOW),
        path=node.path,
    )


def _steps(node: Node, depth: int) -> tuple[StepSpec, ...]:
    if depth > _DEEPEST:
        node.fail(f"is more than {_DEEPEST} levels deep; make a workflow of the inner steps and name it in a step")
    items = node.items(at_least=1, at_most=50)
    steps = tuple(_step(item, depth) for item in items)
    names = [step.name for step in steps]
    for place, item in enumerate(items):
        if names.index(names[place]) != place:
            item.fail(f"another step here has the name {names[place]!r}; give each its own")
    return steps


def _step(node: Node, depth: int) -> StepSpec:
    type_ = _type(node)
    shape, kinds = _SHAPES[type_], STEPS[type_]
    inside = [shape.inside] if shape.inside else []
    decides = [shape.expression] if shape.expression else []
    executors = _EXECUTORS if shape.inside is None else ()
    otherwise = [shape.otherwise] if shape.otherwise else []
    policy = ["onError"] if shape.may_skip else []
    required = ["name", *inside, *(decides if shape.must_decide and not _is_selected(node) else [])]
    optional = ["type", *executors, *otherwise, *decides, *policy, "humanReview", *map(camel, kinds)]
    have = node.fields(required, optional)
    return StepSpec(
        type=type_,
        name=have["name"].text(),
        steps=_steps(have[shape.inside], depth + 1) if shape.inside else (),
        else_steps=_steps(have[shape.otherwise], depth + 1) if shape.otherwise in have else (),
        expression=have[shape.expression].text() if shape.expression in have else None,
        on_error=Choice(("fail", "skip")).read(have["onError"]) if "onError" in have else "fail",
        review=parse_review(have["humanReview"], type_, have, outermost=depth == 1) if "humanReview" in have else None,
        parameters=read_parameters(have, kinds),
        path=node.path,
        **(_executor(node, have) if shape.inside is None else {}),
    )


def _is_selected(node: Node) -> bool:
    """Whether whoever asked chooses the way, so that no expression does."""
    review = node.value.get("humanReview") if isinstance(node.value, Mapping) else None
    return isinstance(review, Mapping) and review.get("requiresUserInput") is True


def _type(node: Node) -> str:
    if isinstance(node.value, Mapping) and node.value.get("type") is not None:
        return Choice(tuple(_SHAPES)).read(Node(node.value["type"], f"{node.path}.type"))
    return "Step"


def _executor(node: Node, have: Mapping[str, Node]) -> dict[str, str]:
    """Who does the work: exactly one."""
    named = {field: have[field].name(LABEL, LABEL_MEANS) for field in _EXECUTORS if field in have}
    if len(named) != 1:
        node.fail("give exactly one of agent, team and workflow; type says when a step holds other steps")
    return named
