"""docs/cookbook.md and examples/cookbook: the page names every file, counts itself, and says what a file cannot set."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from agno.db.sqlite import AsyncSqliteDb
from agno.knowledge.knowledge import Knowledge

from agentos_runtime.agents.compile import compile_components
from agentos_runtime.errors import StartupError
from agentos_spec import SpecError, find_problems, parse_spec
from agentos_spec.kinds import camel
from tests.integration.runtime.cookbook import ASKED, FOLDER, UNASKED, as_one, components, deployments, names
from tests.unit.runtime.test_runtime_docs_agents import left_out

PAGE = (FOLDER.parents[1] / "docs" / "cookbook.md").read_text()
OTHER_IMAGE = "models-all"
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
VERDICTS = ("works", "partly", "no")
MODEL = {"id": "openai-chat:gpt-4o-mini"}


def compiled(name: str) -> list[str]:
    """Everything that can be asked in a file, made into agno's objects."""
    found = []
    for document in deployments(name):
        spec = parse_spec(document)
        bases = {each.id: Knowledge() for each in spec.knowledge}
        made = compile_components(spec, lambda *_: "key", AsyncSqliteDb(), bases)
        for kind in ("agents", "teams", "workflows"):
            found += [f"{kind}/{part.id}" for part in getattr(made, kind)]
    return found


def test_the_page_names_every_file_and_no_other() -> None:
    assert set(re.findall(r"\(\.\./examples/cookbook/([\w-]+)\.yaml\)", PAGE)) == set(names())


def test_a_folder_that_works_has_files_and_one_that_does_not_has_none() -> None:
    for row in ROWS:
        if len(row) == 4 and row[1] in VERDICTS:
            assert bool(row[2]) == (row[1] != "no"), row
            assert bool(row[3]) or row[1] == "works", row


@pytest.mark.parametrize("kind", ["02_agents", "03_teams", "04_workflows"])
def test_it_counts_what_works(kind: str) -> None:
    title = f"\n## {kind[3:].capitalize()}\n"
    section = PAGE.split(title)[1].split("\n## ")[0]
    rows = [line.split("|")[2].strip() for line in section.splitlines() if re.match(r"\| \d\d_", line)]
    counted = Counter(rows)
    works, partly, no = (counted[verdict] for verdict in VERDICTS)
    said = f"Of the {len(rows)} folders of `{kind}`, {works} work, {partly} partly, {no} do not."
    assert said in section
    assert works + partly + no == len(rows)


@pytest.mark.parametrize("name", names())
def test_the_checks_find_nothing_in_a_file(name: str) -> None:
    assert [problem.message for document in deployments(name) for problem in find_problems(document)] == []


@pytest.mark.parametrize("name", [name for name in names() if name != OTHER_IMAGE])
def test_a_file_compiles(name: str) -> None:
    assert compiled(name) == list(components(name))


def test_the_models_of_the_other_image_lack_nothing_but_their_packages() -> None:
    with pytest.raises(StartupError) as refused:
        compiled(OTHER_IMAGE)
    assert refused.value.reason == "ModelPackageMissing"


def test_all_that_is_declared_is_asked_or_works_for_somebody_who_is() -> None:
    """Members and executors are asked by their teams and workflows."""
    there = [component for name in names() if name != OTHER_IMAGE for component in components(name)]
    assert len(there) == len(set(there)), "ids of all files are different: the tests serve them together"
    used = re.findall(r"'(?:agent|team|workflow)': '([\w-]+)'", str(as_one(names())))
    used += [member for team in as_one(names())["teams"] for member in team["members"]]
    unasked = {part for part in there if part not in ASKED and part.partition("/")[2] not in used}
    assert unasked == UNASKED.keys()
    assert ASKED.keys() <= set(there)


NAMED = sorted({name for row in ROWS for cell in row[2:] for name in re.findall(r"`([a-z]+(?:_[a-z]+)*)`", cell)})
UNSET = [name for name in NAMED if name in left_out() and name != "human_review"]


def test_the_page_names_parameters_that_a_file_cannot_set() -> None:
    assert {"compaction", "offload_tool_results", "cache_callables"} <= set(UNSET)


@pytest.mark.parametrize("name", UNSET)
def test_a_parameter_that_the_page_says_cannot_be_set_is_refused(name: str) -> None:
    """Once one can be, the page has to say so."""
    agent: dict[str, Any] = {"id": "a", "model": MODEL}
    team = {"id": "t", "model": MODEL, "members": ["a"]}
    workflow = {"id": "w", "steps": [{"name": "s", "agent": "a"}]}
    for kind in ("agents", "teams", "workflows"):
        spec: dict[str, Any] = {"agents": [dict(agent)], "teams": [dict(team)], "workflows": [dict(workflow)]}
        spec[kind][0][camel(name)] = True
        with pytest.raises(SpecError, match=f"unknown field '{camel(name)}'"):
            parse_spec({"kind": "AgentDeployment", "metadata": {"name": "x"}, "spec": spec})
