"""Workflows: steps straight to agno's constructors, and the expressions that decide between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agno.agent import Agent
from agno.team import Team
from agno.workflow import Condition, HumanReview, Loop, OnError, Parallel, Router, Step, Steps, Workflow

from agentos_runtime.errors import Reason, StartupError
from agentos_spec import StepSpec

Executor = Agent | Team | Workflow
AnyStep = Any
"""One of agno's six classes of steps; agno's own lists of them name others that this never makes."""


def compile_steps(steps: Sequence[StepSpec], executor: Callable[[StepSpec], Executor]) -> list[AnyStep]:
    """In their order; `executor` makes what runs a plain step."""
    return [_step(step, executor) for step in steps]


def _step(spec: StepSpec, executor: Callable[[StepSpec], Executor]) -> AnyStep:
    given: dict[str, Any] = {"name": spec.name, **spec.parameters, **_review(spec)}
    if spec.type == "Step":
        return Step(**_executor(executor(spec)), **given)
    inside = compile_steps(spec.steps, executor)
    if spec.type == "Parallel":
        return Parallel(*inside, **given)
    if spec.type == "Condition":
        otherwise = compile_steps(spec.else_steps, executor) or None
        decides = _expression(spec, "evaluator")
        return Condition(steps=inside, else_steps=otherwise, evaluator=decides, **given)
    if spec.type == "Loop":
        end = _expression(spec, "endCondition") if spec.expression else None
        return Loop(steps=inside, end_condition=end, **given)
    if spec.type == "Router":
        selects = _expression(spec, "selector") if spec.expression else None
        return Router(choices=inside, selector=selects, **given)
    return Steps(steps=inside, **given)


def _executor(made: Executor) -> dict[str, Any]:
    kinds = {"agent": Agent, "team": Team, "workflow": Workflow}
    return {name: made for name, kind in kinds.items() if isinstance(made, kind)}


def _review(spec: StepSpec) -> dict[str, Any]:
    """What it waits for, and what an error does: agno goes on by itself, with the error's words as what was found."""
    if spec.type == "Parallel":
        return {}
    policy: dict[str, Any] = {"on_error": OnError(spec.on_error)} if spec.type in ("Step", "Condition") else {}
    return {"human_review": HumanReview(**(spec.review.parameters if spec.review else {}), **policy)}


def _expression(spec: StepSpec, field: str) -> str:
    """Checked now: agno would take one that does not parse for false at every run, and only log it."""
    text = str(spec.expression)
    try:
        # A tenth of a start, and most deployments have no expression.
        from celpy import Environment  # noqa: PLC0415
        from celpy.celparser import CELParseError  # noqa: PLC0415
    except ImportError as error:
        message = f"{spec.path}.{field}: expressions need the Python package 'cel-python', which is not in this image"
        raise StartupError(Reason.INVALID_SPEC, f"{message}; build yours on the image of this version") from error
    try:
        Environment().compile(text)
    except CELParseError as error:
        where = f"line {error.line}, column {error.column}"
        message = f"{spec.path}.{field}: is no CEL expression ({where}); see docs/agents.md for what it may use"
        raise StartupError(Reason.INVALID_SPEC, message) from error
    return text
