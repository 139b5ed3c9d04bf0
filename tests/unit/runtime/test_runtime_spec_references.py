"""Teams and workflows as they are written: what names nothing, itself or too much is refused with its path."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from agno.agent import Agent
from agno.db.sqlite import AsyncSqliteDb
from agno.workflow import Condition, Loop, Parallel, Router, Step, Steps

from agentos_runtime.agents.compile import Components, compile_components
from agentos_runtime.errors import StartupError
from agentos_spec import SpecError, parse_spec

MODEL = {"id": "openai-chat:gpt-4o-mini"}
ASK = {"name": "ask", "agent": "writer"}
GOOD: dict[str, Any] = {
    "kind": "AgentDeployment",
    "metadata": {"name": "newsroom"},
    "spec": {
        "agents": [
            {"id": "writer", "model": MODEL},
            {
                "id": "cashier",
                "model": MODEL,
                "tools": [{"toolkit": "calculator", "requiresConfirmation": ["divide"]}],
            },
        ],
        "teams": [
            {"id": "desk", "model": MODEL, "members": ["writer"], "mode": "route"},
            {"id": "house", "model": MODEL, "members": ["desk", "writer"]},
        ],
        "workflows": [
            {
                "id": "story",
                "steps": [
                    {"name": "draft", "agent": "writer", "maxRetries": 1},
                    {
                        "type": "Condition",
                        "name": "long",
                        "evaluator": "input.size() > 5",
                        "steps": [{"name": "shorten", "team": "desk"}],
                        "elseSteps": [{"name": "keep", "agent": "writer"}],
                    },
                    {"type": "Parallel", "name": "both", "steps": [ASK, {"name": "too", "team": "house"}]},
                    {
                        "type": "Loop",
                        "name": "again",
                        "maxIterations": 2,
                        "endCondition": "all_success",
                        "steps": [ASK],
                    },
                    {"type": "Router", "name": "which", "selector": '"ask"', "choices": [ASK]},
                    {"type": "Steps", "name": "group", "steps": [ASK]},
                ],
            },
            {"id": "paper", "steps": [{"name": "first", "workflow": "story"}]},
        ],
    },
}


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    at: Any = document["spec"]
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return document


def compiled(document: dict[str, Any]) -> Components:
    return compile_components(parse_spec(document), lambda *_: "key", AsyncSqliteDb())


def test_members_and_executors_are_objects_of_their_own_that_know_whose_part_they_are() -> None:
    components = compiled(GOOD)
    (writer, _), (desk, house), (story, paper) = components.agents, components.teams, components.workflows
    (member,) = desk.members  # type: ignore[misc]
    assert (member.id, member is writer) == ("writer", False)
    assert [part.id for part in house.members] == ["desk", "writer"]  # type: ignore[union-attr]
    steps: Any = story.steps
    outer: Any = paper.steps
    assert [type(step) for step in steps] == [Step, Condition, Parallel, Loop, Router, Steps]
    assert steps[0].agent.workflow_id == steps[1].steps[0].team.workflow_id == "story"
    assert steps[1].steps[0].team.members[0].workflow_id == "story"
    assert (steps[0].max_retries, steps[3].max_iterations) == (1, 2)
    assert outer[0].workflow.id == "story"
    assert writer.workflow_id is None
    assert all(isinstance(agent, Agent) for agent in components.agents)


def test_every_model_is_known_so_that_it_can_be_loaded_and_measured() -> None:
    components = compiled(changed(["agents", 0, "fallbackModels"], [MODEL]))
    of_writer, of_desk = (
        {id(used.model) for used in components.models if used.component == id_} for id_ in ("writer", "desk")
    )
    for agent in components.agents:
        agent.initialize_agent()
    (fallback,) = components.agents[0].fallback_config.on_error  # type: ignore[union-attr]
    assert {id(components.agents[0].model), id(fallback)} <= of_writer
    assert id(components.teams[0].model) in of_desk


W = ["workflows", 0, "steps"]
DEEP: dict[str, Any] = ASK
for _ in range(8):
    DEEP = {"type": "Steps", "name": "in", "steps": [DEEP]}
REFUSED: dict[str, tuple[list[Any], Any, str]] = {
    "a member of nobody": (
        ["teams", 0, "members", 0],
        "writter",
        "spec.teams[0].members[0]: 'writter' is no agent or team of this document (did you mean 'writer'?)",
    ),
    "a member that is a workflow": (
        ["teams", 0, "members", 0],
        "story",
        "'story' is a workflow, and this names an agent or a team",
    ),
    "a member twice": (["teams", 0, "members"], ["writer", "writer"], "spec.teams[0].members[1]: 'writer' is a member"),
    "a team without members": (["teams", 0, "members"], [], "spec.teams[0].members: has 0 entries"),
    "a team in itself": (["teams", 0, "members"], ["desk"], "closes the circle desk -> desk"),
    "teams in a circle": (["teams", 0, "members"], ["house"], "closes the circle desk -> house -> desk"),
    "an id of an agent": (["teams", 0, "id"], "writer", "a team and an earlier agent have the id 'writer'"),
    "an unknown mode": (["teams", 0, "mode"], "rout", "is none of coordinate, route, broadcast, tasks (did you mean"),
    "a member of a member that waits": (
        ["teams", 0, "members"],
        ["cashier"],
        "spec.agents[1].tools[0]: 'cashier' is part of 'house', and calls that wait for a decision are not supported in"
        " teams of teams yet",
    ),
    "a member that is a team whose tools wait": (
        ["teams", 0, "tools"],
        [{"toolkit": "calculator", "requiresApproval": ["divide"]}],
        "spec.teams[0].tools[0]: 'desk' is part of 'house', and calls that wait",
    ),
    "a step of a team with a member that waits": (
        ["teams", 1, "members"],
        ["cashier"],
        "spec.agents[1].tools[0]: 'cashier' is part of 'story', and calls that wait for a decision are not supported in"
        " workflows yet",
    ),
    "a step of nobody": ([*W, 0, "agent"], "nobody", "spec.workflows[0].steps[0].agent: 'nobody' is no agent"),
    "a step that waits": ([*W, 0, "agent"], "cashier", "'cashier' is part of 'story'"),
    "a step without executor": ([*W, 0], {"name": "x"}, "spec.workflows[0].steps[0]: give exactly one of agent"),
    "a step with two": ([*W, 0], ASK | {"team": "desk"}, "give exactly one of agent, team and workflow"),
    "a step with steps": ([*W, 0], ASK | {"steps": [ASK]}, "unknown field 'steps'"),
    "a step without name": ([*W, 0], {"agent": "writer"}, "spec.workflows[0].steps[0]: name is missing"),
    "an unknown type": ([*W, 1, "type"], "Conditon", "(did you mean 'Condition'?)"),
    "names used twice": ([*W, 1, "name"], "draft", "steps[1]: another step here has the name 'draft'"),
    "a condition of nothing": ([*W, 1, "evaluator"], None, "spec.workflows[0].steps[1]: evaluator is missing"),
    "an inner step of nobody": (
        [*W, 1, "elseSteps", 0, "agent"],
        "nobody",
        "spec.workflows[0].steps[1].elseSteps[0].agent: 'nobody' is no agent",
    ),
    "a workflow in itself": ([*W, 0], {"name": "x", "workflow": "story"}, "closes the circle story -> story"),
    "workflows in a circle": ([*W, 0], {"name": "x", "workflow": "paper"}, "story -> paper -> story"),
    "steps without end": ([*W, 0], DEEP, "is more than 8 levels deep"),
    "too many rounds": ([*W, 3, "maxIterations"], 101, "steps[3].maxIterations: is 101; it takes 1 to 100"),
    "no form": (["agents", 0, "outputSchema"], {"type": "string"}, "must be a JSON Schema with type: object"),
    "no time zone": (["agents", 0, "timezoneIdentifier"], "Europe/Berlin2", "(did you mean 'Europe/Berlin'?)"),
    "a message of nobody": (
        ["agents", 0, "additionalInput"],
        [{"role": "system", "content": "x"}],
        "additionalInput[0].role: 'system' is none of user, assistant",
    ),
    "an unknown guardrail": (
        ["agents", 0, "guardrails"],
        [{"guardrail": "pii_detecton"}],
        "spec.agents[0].guardrails[0].guardrail: 'pii_detecton' is no guardrail of agno (did you mean",
    ),
}


def test_members_of_a_team_that_is_in_nothing_may_wait() -> None:
    waits = [{"toolkit": "calculator", "requiresApproval": ["divide"]}]
    alone = {"id": "till", "model": MODEL, "members": ["cashier", "writer"], "tools": waits}
    assert parse_spec(changed(["teams"], [*GOOD["spec"]["teams"], alone])).teams[-1].id == "till"


COMPILED_NOT: dict[str, tuple[list[Any], Any, str]] = {
    "an expression that does not parse": (
        [*W, 1, "evaluator"],
        "input.size( > 5",
        "spec.workflows[0].steps[1].evaluator: is no CEL expression (line 1, column",
    ),
    "a reference to nothing": (
        ["agents", 0, "outputSchema"],
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/no"}}},
        "spec.agents[0].outputSchema: is no JSON Schema that can be followed",
    ),
    "an option of no guardrail": (
        ["agents", 0, "guardrails"],
        [{"guardrail": "pii_detection", "options": {"mask": True}}],
        "spec.agents[0].guardrails[0].options.mask: guardrail 'pii_detection' has no such option (did you mean",
    ),
}


@pytest.mark.parametrize(("path", "value", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_sense_is_refused_with_its_path(path: list[Any], value: Any, message: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_spec(changed(path, value))
    assert message in refused.value.message


@pytest.mark.parametrize(("path", "value", "message"), COMPILED_NOT.values(), ids=COMPILED_NOT.keys())
def test_what_does_not_compile_is_refused_with_its_path(path: list[Any], value: Any, message: str) -> None:
    with pytest.raises((StartupError, SpecError)) as refused:
        compiled(changed(path, value))
    assert message in str(refused.value)


def test_teams_in_many_teams_are_refused_before_they_fill_the_memory() -> None:
    twins = [{"id": f"t{step}-{side}", "model": MODEL} for step in range(10) for side in "ab"]
    for place, team in enumerate(twins):
        above = place // 2 + 1
        team["members"] = [f"t{above}-a", f"t{above}-b"] if above < 10 else ["writer"]
    document = changed(["teams"], twins)
    del document["spec"]["workflows"]
    with pytest.raises(SpecError) as refused:
        parse_spec(document)
    assert "spec.teams[1].members[0]: 't0-b' has 1,534 members and steps" in refused.value.message
    assert "that is 3,068; a deployment may have at most 2,000" in refused.value.message


def test_as_many_teams_of_agents_as_a_deployment_may_have_are_no_excess() -> None:
    agents = [{"id": f"a{place}", "model": MODEL} for place in range(20)]
    teams = [{"id": f"t{place}", "model": MODEL, "members": [each["id"] for each in agents]} for place in range(20)]
    document = {"kind": "AgentDeployment", "metadata": {"name": "x"}, "spec": {"agents": agents, "teams": teams}}
    assert len(parse_spec(document).teams) == 20
