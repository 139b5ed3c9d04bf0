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
from agentos_spec import SpecError, guarded_parts, parse_spec

MODEL = {"id": "openai-chat:gpt-4o-mini"}
ASK = {"name": "ask", "agent": "writer"}
CASHIER = {"name": "pay", "agent": "cashier"}
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
    "a step of nobody": ([*W, 0, "agent"], "nobody", "spec.workflows[0].steps[0].agent: 'nobody' is no agent"),
    "calls that wait in parallel": (
        [*W, 2, "steps", 0, "agent"],
        "cashier",
        "spec.workflows[0].steps[2].steps[0].agent: 'cashier' has calls that wait for a decision, which are not"
        " continued inside of a Parallel; put the step outside of it",
    ),
    "calls that wait in a loop": ([*W, 3, "steps"], [CASHIER], "not continued inside of a Loop"),
    "calls of a member's member that wait in parallel": (
        ["teams", 0, "members"],
        ["cashier"],
        "spec.workflows[0].steps[2].steps[1].team: 'house' has calls that wait",
    ),
    "calls that wait in the second branch": (
        [*W, 1, "elseSteps", 0, "agent"],
        "cashier",
        "'cashier' has calls that wait for a decision, so that inside of 'long' it has to be the first step with an"
        " agent or a team, and the last one",
    ),
    "calls that wait before other steps of a step": (
        [*W, 5, "steps"],
        [CASHIER, ASK],
        "so that inside of 'group' it has to be the first step with an agent or a team, and the last one",
    ),
    "calls that wait in a workflow that is a step": (
        [*W, 0, "agent"],
        "cashier",
        "spec.workflows[1].steps[0].workflow: 'story' may wait for a decision, and a workflow that is a step of another"
        " one is not continued",
    ),
    "a review in a workflow that is a step": (
        [*W, 0, "humanReview"],
        {"requiresConfirmation": True},
        "spec.workflows[1].steps[0].workflow: 'story' may wait for a decision",
    ),
    "a review inside of a step": (
        [*W, 1, "elseSteps", 0, "humanReview"],
        {"requiresConfirmation": True},
        "elseSteps[0].humanReview: only steps of the workflow itself wait",
    ),
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


WAITS = [{"toolkit": "calculator", "requiresApproval": ["divide"]}]


def alone(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A document with this workflow and no other."""
    return changed(["workflows"], [{"id": "story", "steps": list(steps), **more}])


def test_calls_may_wait_in_teams_however_deep() -> None:
    teams = [
        {"id": "till", "model": MODEL, "members": ["cashier", "writer"], "tools": WAITS, "mode": mode}
        for mode in ("coordinate", "route", "broadcast")
    ]
    for team in teams:
        above = [
            {"id": "above", "model": MODEL, "members": ["till"]},
            {"id": "top", "model": MODEL, "members": ["above"]},
        ]
        document = changed(["teams"], [team, *above])
        document["spec"]["workflows"] = [{"id": "story", "steps": [{"name": "pay", "team": "top"}]}]
        spec = parse_spec(document)
        assert guarded_parts(spec)["story"] == guarded_parts(spec)["top"] == {"divide"}


@pytest.mark.parametrize(
    "step",
    [
        CASHIER,
        {"type": "Condition", "name": "if", "evaluator": "true", "steps": [CASHIER], "elseSteps": [ASK]},
        {"type": "Router", "name": "way", "selector": '"pay"', "choices": [CASHIER, ASK]},
        {"type": "Steps", "name": "in", "steps": [{"type": "Steps", "name": "in", "steps": [CASHIER]}]},
    ],
    ids=lambda step: step.get("type", "Step"),
)
def test_a_call_may_wait_in_a_step_after_which_nothing_is_left_to_do_there(step: dict[str, Any]) -> None:
    before, after = {"name": "before", "agent": "writer"}, {"name": "after", "agent": "writer"}
    assert len(parse_spec(alone(before, step, after)).workflows[0].steps) == 3


def test_a_team_that_works_off_tasks_has_no_calls_that_wait() -> None:
    team = {"id": "till", "model": MODEL, "members": ["cashier"], "mode": "tasks"}
    with pytest.raises(SpecError, match=r"spec.teams\[0\].mode: 'till' has calls that wait .* use coordinate, route"):
        parse_spec(changed(["teams"], [team, *GOOD["spec"]["teams"]]))
    parse_spec(changed(["teams"], [{**team, "members": ["writer"]}, *GOOD["spec"]["teams"]]))


def test_what_a_continuation_needs_of_a_run_is_kept_with_it() -> None:
    with pytest.raises(SpecError, match=r"which are lost with storeExecutorOutputs: false"):
        parse_spec(alone(CASHIER, storeExecutorOutputs=False))
    parse_spec(alone(ASK, storeExecutorOutputs=False))
    team = {"id": "till", "model": MODEL, "members": ["cashier"], "storeMemberResponses": True}
    document = alone({"name": "pay", "team": "till"})
    document["spec"]["teams"].append(team)
    with pytest.raises(SpecError, match=r"steps\[0\].team: 'till' .* storeMemberResponses: true; leave that out"):
        parse_spec(document)


def test_a_choice_of_several_ways_holds_no_call_that_waits() -> None:
    several = {"requiresUserInput": True, "allowMultipleSelections": True}
    step = {"type": "Router", "name": "way", "humanReview": several, "choices": [CASHIER]}
    with pytest.raises(SpecError, match="inside of a Router with allowMultipleSelections"):
        parse_spec(alone(step))
    parse_spec(alone({**step, "choices": [ASK]}))


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
