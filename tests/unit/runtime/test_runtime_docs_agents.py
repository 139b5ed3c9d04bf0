"""docs/agents.md: its documents compile, and every parameter of agno is declared or left out there with a reason."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from agno.agent import Agent
from agno.db.sqlite import AsyncSqliteDb
from agno.team import Team
from agno.workflow import HumanReview, Step, Workflow

from agentos_runtime.agents.blocks import _MODULES
from agentos_runtime.agents.compile import Surroundings, compile_components
from agentos_runtime.agents.packages import ALL_IMAGE
from agentos_runtime.errors import StartupError
from agentos_spec import parse_spec
from agentos_spec.kinds import Block, Kind, camel
from agentos_spec.parameters import AGENT, STEPS, TEAM, WORKFLOW
from agentos_spec.reviews import REVIEWS
from bench.coverage import ELSEWHERE, parameters

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "agents.md").read_text()
DOCUMENTS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
OF_TEAMS_AND_WORKFLOWS = {"store_events"}


def left_out() -> set[str]:
    rows = [line for line in PAGE.split("## What is left out")[1].splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


EXAMPLES = [
    yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text())
    for name in ("newsroom", "mcp", "openapi", "approvals")
]


@pytest.mark.parametrize("document", [*DOCUMENTS, *EXAMPLES])
def test_a_document_that_it_shows_compiles(document: dict[str, Any]) -> None:
    places = Surroundings(ROOT / "examples")
    components = compile_components(parse_spec(document), lambda *_: "key", AsyncSqliteDb(), surroundings=places)
    assert [agent.id for agent in components.agents] == [agent["id"] for agent in document["spec"]["agents"]]


@pytest.mark.parametrize(("cls", "kinds"), [(Agent, AGENT), (Team, TEAM), (Workflow, WORKFLOW), (Step, STEPS["Step"])])
def test_every_parameter_of_agno_is_declared_or_left_out_with_a_reason(cls: Any, kinds: Mapping[str, Kind]) -> None:
    known = set(inspect.signature(cls.__init__).parameters) - {"self"}
    assert kinds.keys() <= known, "agno has no such parameter"
    assert kinds.keys() & left_out() <= OF_TEAMS_AND_WORKFLOWS, "declared and left out"
    assert known - kinds.keys() - ELSEWHERE - left_out() == set(), "not decided about"


def test_every_parameter_of_agnos_human_review_is_declared_or_left_out_with_a_reason() -> None:
    declared = {name for kinds in REVIEWS.values() for name in kinds}
    parameters = set(inspect.signature(HumanReview.__init__).parameters) - {"self", "on_error"}
    assert declared <= parameters
    assert parameters - declared <= left_out(), "not decided about"
    assert not declared & left_out() - {"max_retries"}
    approvals = (ROOT / "docs" / "approvals.md").read_text()
    assert all(f"`{camel(name)}`" in approvals for name in declared)


PLUMBING = {"self", "id", "name", "owner_id", "owner_type", "db", "knowledge", "debug_mode", "stats"}
"""What agno's AgentOS and agents write into these objects, or their database."""
KEPT_BY_AGNO = {"memories_updated", "summaries_updated", "compress_tool_results"}
"""Of managers: what happened in a run, and a flag that the agent has too."""


@pytest.mark.parametrize(
    "block", [kind for kind in AGENT.values() if isinstance(kind, Block)], ids=lambda kind: kind.of
)
def test_every_parameter_of_a_block_is_declared_or_left_out_with_a_reason(block: Block) -> None:
    cls = getattr(importlib.import_module(_MODULES[block.of]), block.of)
    known = set(inspect.signature(cls.__init__).parameters)
    assert block.kinds.keys() <= known, "agno has no such parameter"
    assert block.kinds.keys() & left_out() <= {"on_error"}, "declared and left out; a human review has one too"
    assert known - block.kinds.keys() - left_out() - PLUMBING - KEPT_BY_AGNO == set(), "not decided about"


def test_the_page_counts_the_parameters_that_a_file_sets() -> None:
    def count(cls: type) -> str:
        ours, every = parameters(cls)
        return f"{ours} of {every} of `{cls.__name__}`"

    agents, teams, workflows = (count(cls) for cls in (Agent, Team, Workflow))
    counted = f"Of agno {version('agno')}'s parameters a file sets {agents}, {teams} and {workflows}"
    assert counted in " ".join(PAGE.split())


def test_it_names_every_type_of_step() -> None:
    assert all(f"| `{type_}`" in PAGE for type_ in STEPS)


def test_what_it_shows_of_the_image_with_all_packages_has_no_problem_but_the_package_that_this_one_lacks() -> None:
    (part,) = re.findall(r"```yaml agent-deployment.yaml\n(.*?)```", PAGE, re.DOTALL)
    about = {"metadata": {"name": "support"}, "apiVersion": "agentos.hyvve.io/v1alpha1", "kind": "AgentDeployment"}
    spec = parse_spec(about | yaml.safe_load(part))
    with pytest.raises(StartupError) as refused:
        compile_components(spec, lambda *_: "key", AsyncSqliteDb())
    assert refused.value.reason == "ModelPackageMissing"
    assert f"name the image {ALL_IMAGE}" in refused.value.message
