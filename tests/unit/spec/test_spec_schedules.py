"""`spec.schedules`, as the person who wrote it reads what is wrong with it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from agentos_spec import ScheduleSpec, SpecError, find_problems, parse_spec

MODEL = {"id": "openai-chat:gpt-4o-mini"}
DIGEST = {"id": "digest", "cron": "0 9 * * mon-fri", "agent": "support", "message": "What is new?"}


def document(*schedules: Any, **changes: Any) -> dict[str, Any]:
    entries = copy.deepcopy(list(schedules) or [DIGEST])
    entries[0].update(changes)
    return {
        "apiVersion": "agentos.hyvve.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "support"},
        "spec": {
            "agents": [{"id": "support", "model": MODEL}],
            "teams": [{"id": "desk", "model": MODEL, "members": ["support"]}],
            "workflows": [{"id": "round", "steps": [{"name": "ask", "team": "desk"}]}],
            "schedules": [{k: v for k, v in entry.items() if v != ""} for entry in entries],
        },
    }


def test_every_field_is_read() -> None:
    (schedule,) = parse_spec(document(timezone="Europe/Berlin", user="alice", suspended=True)).schedules
    assert schedule == ScheduleSpec(
        id="digest",
        cron="0 9 * * mon-fri",
        timezone="Europe/Berlin",
        kind="agent",
        target="support",
        message="What is new?",
        user="alice",
        suspended=True,
        path="spec.schedules[0]",
    )


def test_what_is_left_out_has_a_default() -> None:
    (schedule,) = parse_spec(document()).schedules
    assert (schedule.timezone, schedule.user, schedule.suspended) == ("UTC", None, False)


@pytest.mark.parametrize(("kind", "target"), [("agent", "support"), ("team", "desk"), ("workflow", "round")])
def test_agents_teams_and_workflows_are_run(kind: str, target: str) -> None:
    (schedule,) = parse_spec(document(**{"agent": "", kind: target})).schedules
    assert (schedule.kind, schedule.target) == (kind, target)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"cron": ""}, "spec.schedules[0]: cron is missing; add it"),
        ({"message": ""}, "spec.schedules[0]: message is missing; add it"),
        ({"cron": "0 25 * * *"}, "spec.schedules[0].cron: '25' is no hour; it takes 0 to 23"),
        ({"cron": "0 0 31 2 *"}, "spec.schedules[0].cron: '0 0 31 2 *' names a day that no month has"),
        ({"timezone": "Europe/Berln"}, "spec.schedules[0].timezone: 'Europe/Berln' is no time zone"),
        ({"timezone": "Europe/Berln"}, "(did you mean 'Europe/Berlin'?)"),
        ({"agent": ""}, "spec.schedules[0]: give exactly one of agent, team and workflow"),
        ({"team": "desk"}, "spec.schedules[0]: give exactly one of agent, team and workflow"),
        (
            {"agent": "suport"},
            "spec.schedules[0].agent: 'suport' is no agent of this document (did you mean 'support'?)",
        ),
        ({"agent": "desk"}, "spec.schedules[0].agent: 'desk' is a team, and this names an agent"),
        ({"agent": "", "workflow": "rounds"}, "spec.schedules[0].workflow: 'rounds' is no workflow"),
        ({"user": "sa:robot"}, "spec.schedules[0].user: 'sa:robot' begins as no user does"),
        ({"user": "__scheduler__"}, "begins as no user does"),
        ({"user": "a\nb"}, "spec.schedules[0].user: 'a\\nb' is not a user's id"),
        ({"suspended": "yes"}, "spec.schedules[0].suspended: must be true or false"),
        ({"id": "Digest"}, "spec.schedules[0].id: 'Digest' is not a lower-case name"),
        ({"cronn": "x"}, "spec.schedules[0]: unknown field 'cronn' (did you mean 'cron'?)"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(changes: dict[str, Any], problem: str) -> None:
    wrong = document(**changes)
    with pytest.raises(SpecError) as caught:
        parse_spec(wrong)
    assert problem in caught.value.message
    assert [each.message for each in find_problems(wrong)] == [caught.value.message]


def test_two_schedules_of_one_id_are_refused() -> None:
    with pytest.raises(SpecError, match=r"spec\.schedules\[1\]: another schedule has the id 'digest'"):
        parse_spec(document(DIGEST, {**DIGEST, "cron": "0 10 * * *"}))


def test_more_schedules_than_the_crd_admits_are_refused() -> None:
    with pytest.raises(SpecError, match=r"spec\.schedules: has 21 entries; it takes 1 to 20"):
        parse_spec(document(*({**DIGEST, "id": f"digest-{number}"} for number in range(21))))
