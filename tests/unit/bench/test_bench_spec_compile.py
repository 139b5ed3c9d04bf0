"""The parts `spec-compile` and `coverage`: the baseline is what the documents declare, and what is counted is there."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import yaml
from agno.agent import Agent
from agno.db.sqlite import AsyncSqliteDb
from agno.team import Team
from agno.workflow import Workflow

from agentos_runtime.agents.compile import compile_components
from agentos_spec import find_problems, parse_spec
from agentos_spec.references import MOST_PARTS
from bench import coverage, documents
from bench.by_hand import BY_HAND
from bench.documents import MANY, PLACES


def said(part: Any) -> Any:
    """What an agent, a team or a workflow is made of, without what is an object of its own each time."""
    if isinstance(part, Workflow):
        return part.id, [said(step) for step in part.steps or []]  # type: ignore[union-attr]
    if isinstance(part, Agent | Team):
        about = (part.id, part.description, part.instructions, part.role, part.add_history_to_context)
        tools = [sorted(tool.functions) for tool in part.tools or []]  # type: ignore[union-attr]
        hooks = len(part.pre_hooks or [])  # ours are wrapped, so that an answer can name them
        return about, tools, hooks, [said(member) for member in getattr(part, "members", [])]
    inside = [said(step) for name in ("steps", "choices") for step in getattr(part, name, None) or []]
    executor = getattr(part, "agent", None) or getattr(part, "team", None)
    return type(part), part.name, getattr(part, "evaluator", None), said(executor) if executor else None, inside


@pytest.mark.parametrize("name", ["support", "newsroom"])
def test_what_is_made_by_hand_is_what_the_document_declares(name: str) -> None:
    spec = parse_spec(yaml.safe_load(documents.text(name)))
    made = compile_components(spec, lambda *_: "not-a-real-key", AsyncSqliteDb())
    ours = [*made.agents, *made.teams, *made.workflows]
    assert [said(part) for part in ours] == [said(part) for part in BY_HAND[name](AsyncSqliteDb())]


def test_the_largest_document_cannot_be_larger() -> None:
    document = yaml.safe_load(documents.text("largest"))
    assert find_problems(document) == []
    assert 2 * MANY * PLACES == MOST_PARTS
    document["spec"]["workflows"][0]["steps"].append({"name": "one-more", "agent": "agent-0"})
    assert "may have at most 2,000" in find_problems(document)[0].message


def test_parameters_are_counted_of_what_agno_has() -> None:
    for cls in (Agent, Team, Workflow):
        ours, every = coverage.parameters(cls)
        assert 0 < ours < every == len(inspect.signature(cls).parameters)


@pytest.mark.parametrize(("name", "made"), [("calculator", True), ("openweather", True), ("knowledge", False)])
def test_a_toolkit_that_wants_a_key_can_be_made_and_one_that_wants_an_object_of_python_cannot(
    name: str, made: bool
) -> None:
    assert (coverage._refusal(name) is None) == made
