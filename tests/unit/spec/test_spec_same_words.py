"""A bad spec is refused in the same words on the command line, by the operator and by the runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from agno.db.sqlite import AsyncSqliteDb

from agentos_operator.reasons import RUNTIME_REASONS
from agentos_operator.reconcile.spec_check import spec_aspect
from agentos_runtime.agents.compile import compile_components
from agentos_spec import SpecError, find_problems, parse_spec
from agentosctl.cli import main
from tests.unit.spec.bad_specs import BAD_SPECS, BadSpec, agent, document

CASES = pytest.mark.parametrize("bad", BAD_SPECS.values(), ids=BAD_SPECS.keys())


@CASES
def test_the_command_line_says_it(bad: BadSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "support.yaml"
    file.write_text(yaml.safe_dump(document(bad.spec)))
    assert main(["validate", "-f", str(file)]) == 1
    assert capsys.readouterr().out == f"{file}:1: AgentDeployment ws-acme/support: {bad.message}\n"


@CASES
def test_the_operator_says_it_in_a_condition(bad: BadSpec) -> None:
    aspect = spec_aspect(document(bad.spec))
    assert (aspect.holds, aspect.stalled, aspect.reason, aspect.message) == (False, True, bad.reason, bad.message)
    assert aspect.reason in RUNTIME_REASONS


@CASES
def test_the_runtime_says_it_before_it_serves(bad: BadSpec) -> None:
    with pytest.raises(SpecError) as refused:
        compile_components(parse_spec(document(bad.spec)), lambda *_: "key", AsyncSqliteDb())
    assert (refused.value.reason, refused.value.message) == (bad.reason, bad.message)


def test_an_operator_that_finds_several_tells_the_first_and_how_many_follow() -> None:
    model = {"id": "openai-chatt:x"}
    aspect = spec_aspect(document(agent(model=model, fallbackModels=[model, model])))
    assert aspect.message.startswith("spec.agents[0].model.id: 'openai-chatt' is no provider of agno")
    assert aspect.message.endswith(" (and 2 more; agentosctl validate lists them)")


def test_a_message_of_any_length_fits_into_a_condition() -> None:
    assert len(spec_aspect(document(agent(tools=[{"toolkit": "a" * 40_000}]))).message) < 32_768


OF_AN_IMAGE: dict[str, dict[str, Any]] = {
    "a provider": {"model": {"id": "ours:x"}},
    "an option of a model": {"model": {"id": "openai-chat:x", "options": {"ours": True}}},
    "a toolkit": {"tools": [{"toolkit": "ours", "options": {"x": 1}, "requiresConfirmation": ["delete"]}]},
    "a hook": {"toolHooks": ["checks.logged"]},
    "an option of a toolkit": {"tools": [{"toolkit": "calculator", "options": {"ours": 1}}]},
}


@pytest.mark.parametrize("fields", OF_AN_IMAGE.values(), ids=OF_AN_IMAGE.keys())
def test_what_an_image_of_ones_own_may_have_is_refused_only_without_one(fields: dict[str, Any]) -> None:
    assert find_problems(document(agent(**fields)))
    assert find_problems(document(agent(**fields) | {"image": "registry.example.com/ours:1"})) == []


def test_the_form_of_a_document_is_checked_for_an_image_of_ones_own_too() -> None:
    (problem,) = find_problems(document(agent(markdwn=True) | {"image": "registry.example.com/ours:1"}))
    assert problem.message == "spec.agents[0]: unknown field 'markdwn' (did you mean 'markdown'?)"


def test_a_fault_of_one_agent_hides_none_of_another_and_none_of_the_spec() -> None:
    spec = {
        "replica": 2,
        "agents": [
            {"id": "a", "model": {"id": "openai-chat:x"}, "markdwn": True},
            {"id": "b", "model": {"id": "openai-chatt:x"}},
        ],
        "teams": [{"id": "t", "model": {"id": "openai-chat:x"}, "members": ["a", "b"]}],
    }
    paths = [problem.message.partition(": ")[0] for problem in find_problems(document(spec))]
    assert paths == ["spec", "spec.agents[0]", "spec.agents[1].model.id"]
