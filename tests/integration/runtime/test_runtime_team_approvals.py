"""Calls of a team's member, and of its leader, that wait: who may decide, that they run as stored, and once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.runtime.conftest import agent
from tests.integration.runtime.guarded import Guarded

OWNER = ["teams:run", "teams:read", "sessions:read", "approvals:read"]
APPROVER = ["approvals:read", "approvals:write"]


class Desk(Guarded):
    """A team of one, which appends to `file` when it is allowed to."""

    owner = OWNER

    def paused(self, message: str, stream: bool = False, team: str = "desk") -> dict[str, Any]:
        form = {"message": message, "stream": str(stream).lower()}
        run = last(self.ask("POST", f"/teams/{team}/runs", data=form))
        assert run.get("status", run.get("event")) in ("PAUSED", "TeamRunPaused"), run
        return run

    def asks_its_member(self, task: str, stream: bool = False) -> dict[str, Any]:
        return self.paused(handed_to("support", task), stream)

    def goes_on(
        self, run: dict[str, Any], said: dict[str, Any] | None = None, user: str = "alice", stream: bool = False
    ) -> httpx.Response:
        return self.continued(f"/teams/{run['team_id']}", run, said, user, stream)


def handed_to(member: str, task: str) -> str:
    """What makes the scripted leader hand a task to a member."""
    return "call delegate_task_to_member " + json.dumps({"member_id": member, "task": task})


def last(response: httpx.Response) -> dict[str, Any]:
    """An answer, or the last event of a stream."""
    assert response.status_code == 200, response.text
    if not response.headers["content-type"].startswith("text/event-stream"):
        whole: dict[str, Any] = response.json()
        return whole
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    end: dict[str, Any] = events[-1]
    return end


def call(run: dict[str, Any]) -> dict[str, Any]:
    """What the run waits for."""
    (requirement,) = run["requirements"]
    found: dict[str, Any] = requirement["tool_execution"]
    return found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, runtime_of: Callable[..., Any], model: Any) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("team-approvals")
    tools = [
        {"toolkit": "shell", "requiresConfirmation": ["run_shell_command"]},
        {"toolkit": "sleep", "requiresApproval": ["sleep"]},
    ]
    own = [{"toolkit": "calculator", "requiresConfirmation": ["divide"]}]
    teams = [
        {"id": "desk", "members": ["support"], "tools": own},
        {"id": "house", "members": ["desk"]},
        {"id": "town", "members": ["house"], "mode": "route"},
        {"id": "all", "members": ["support", "herald"], "mode": "broadcast"},
    ]
    others = [agent(model.url, id="herald", tools=[])]
    with runtime_of(folder, tools=tools, teams=teams, others=others) as (process, token):
        yield Desk(process.url, folder / "written", token)


both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@both
@pytest.mark.parametrize("field", ["tools", "requirements"])
def test_a_members_call_runs_once_after_its_user_said_yes(desk: Desk, field: str, stream: bool) -> None:
    word = f"yes-{field}-{stream}"
    run = desk.asks_its_member(desk.script(word), stream)
    assert desk.written(word) == 0
    said = {
        "tools": [{"tool_call_id": call(run)["tool_call_id"], "confirmed": True}],
        "requirements": [{**run["requirements"][0], "confirmation": True}],
    }
    done = last(desk.goes_on(run, {field: said[field]}, stream=stream))
    assert done.get("status", done.get("event")) in ("COMPLETED", "TeamRunCompleted"), done
    assert desk.written(word) == 1
    again = desk.goes_on(run, {"tools": said["tools"]})
    assert (again.status_code, desk.written(word)) == (409, 1)


def test_a_members_call_does_not_run_after_its_user_said_no(desk: Desk) -> None:
    run = desk.asks_its_member(desk.script("no"))
    no = {"tool_call_id": call(run)["tool_call_id"], "confirmed": False, "confirmation_note": "too dear"}
    assert "too dear" in last(desk.goes_on(run, {"tools": [no]}))["content"]
    assert desk.written("no") == 0


def test_a_leaders_own_call_waits_as_well(desk: Desk) -> None:
    run = desk.paused('call divide {"a": 6, "b": 2}')
    yes = {"tool_call_id": call(run)["tool_call_id"], "confirmed": True}
    assert '"result": 3.0' in last(desk.goes_on(run, {"tools": [yes]}))["content"]


@pytest.mark.parametrize("field", ["tools", "requirements"])
def test_a_call_that_was_changed_is_refused_and_can_still_be_decided(desk: Desk, field: str) -> None:
    word = f"changed-{field}"
    run = desk.asks_its_member(desk.script(word))
    forged = {
        **call(run),
        "tool_args": {"args": ["sh", "-c", f"echo forged-{field} >> {desk.file}"]},
        "confirmed": True,
    }
    said = {"tools": [forged], "requirements": [{**run["requirements"][0], "tool_execution": forged}]}
    assert desk.goes_on(run, {field: said[field]}).status_code == 422
    assert (desk.written(word), desk.written(f"forged-{field}")) == (0, 0)
    last(desk.goes_on(run, {"tools": [{"tool_call_id": call(run)["tool_call_id"], "confirmed": True}]}))
    assert desk.written(word) == 1


def test_of_five_confirmations_at_once_one_runs_the_call(desk: Desk) -> None:
    run = desk.asks_its_member(desk.script("five"))
    yes = [{"tool_call_id": call(run)["tool_call_id"], "confirmed": True}]
    with ThreadPoolExecutor(5) as pool:
        codes = sorted(pool.map(lambda _: desk.goes_on(run, {"tools": yes}).status_code, range(5)))
    assert codes == [200, 409, 409, 409, 409]
    assert desk.written("five") == 1


def test_a_run_of_somebody_else_cannot_be_continued(desk: Desk) -> None:
    run = desk.asks_its_member(desk.script("theirs"))
    yes = [{"tool_call_id": call(run)["tool_call_id"], "confirmed": True}]
    assert desk.goes_on(run, {"tools": yes}, "bob").status_code == 404
    assert desk.written("theirs") == 0


def test_a_members_call_that_waits_for_an_approver_goes_on_for_its_user_after_the_yes(desk: Desk) -> None:
    run = desk.asks_its_member('call sleep {"seconds": 0}')
    yes = [{"tool_call_id": call(run)["tool_call_id"], "confirmed": True}]
    assert desk.goes_on(run, {"tools": yes}).status_code == 403
    assert desk.goes_on(run).status_code == 403, "nobody has decided"
    approval = call(run)["approval_id"]
    seen = desk.ask("GET", f"/approvals/{approval}").json()
    assert (seen["status"], seen["user_id"], seen["tool_name"]) == ("pending", "alice", "sleep")
    resolved = desk.ask("POST", f"/approvals/{approval}/resolve", "carol", APPROVER, json={"status": "approved"})
    assert resolved.status_code == 200
    assert "Slept for 0 seconds" in json.dumps(last(desk.goes_on(run)))


def test_a_run_that_was_cancelled_cannot_be_continued(desk: Desk) -> None:
    run = desk.asks_its_member(desk.script("cancelled"))
    path = f"/teams/desk/runs/{run['run_id']}/cancel?session_id={run['session_id']}"
    assert desk.ask("POST", path).status_code == 200
    assert desk.ask("GET", f"/approvals/{call(run)['approval_id']}").json()["status"] == "cancelled"
    yes = [{"tool_call_id": call(run)["tool_call_id"], "confirmed": True}]
    assert desk.goes_on(run, {"tools": yes}).status_code == 409
    assert desk.written("cancelled") == 0


def test_a_team_is_continued_in_the_background(desk: Desk) -> None:
    run = desk.asks_its_member(desk.script("background"))
    yes = [{"tool_call_id": call(run)["tool_call_id"], "confirmed": True}]
    assert desk.goes_on(run, {"tools": yes, "background": True}).status_code == 202
    path, deadline = f"/teams/desk/runs/{run['run_id']}?session_id={run['session_id']}", time.monotonic() + 60
    while (state := desk.ask("GET", path).json()["status"]) != "COMPLETED":
        assert time.monotonic() < deadline, state
        time.sleep(0.1)
    assert desk.written("background") == 1


WAYS = {
    "a member of a team of a team": ("house", lambda call: handed_to("desk", handed_to("support", call))),
    "and deeper": ("town", lambda call: handed_to("house", handed_to("desk", handed_to("support", call)))),
    "all at once": ("all", lambda call: "call delegate_task_to_members " + json.dumps({"task": call})),
}


@both
@pytest.mark.parametrize(("team", "way"), WAYS.values(), ids=WAYS)
def test_a_call_runs_once_after_a_yes_however_deep_it_waits(
    desk: Desk, team: str, way: Callable[[str], str], stream: bool
) -> None:
    word = f"{team}-{stream}"
    run = desk.paused(way(desk.script(word)), stream, team)
    assert desk.written(word) == 0
    yes = [{"tool_call_id": call(run)["tool_call_id"], "confirmed": True}]
    assert desk.goes_on(run, {"tools": yes}, "bob").status_code == 404
    done = last(desk.goes_on(run, {"tools": yes}, stream=stream))
    assert done.get("status", done.get("event")) in ("COMPLETED", "TeamRunCompleted"), done
    assert desk.goes_on(run, {"tools": yes}).status_code == 409
    assert desk.written(word) == 1


def test_a_deep_call_that_waits_for_an_approver_is_not_its_users_to_decide(desk: Desk) -> None:
    run = desk.paused(handed_to("desk", handed_to("support", 'call sleep {"seconds": 0}')), team="house")
    yes = [{"tool_call_id": call(run)["tool_call_id"], "confirmed": True}]
    assert desk.goes_on(run, {"tools": yes}).status_code == 403
    path = f"/approvals/{call(run)['approval_id']}/resolve"
    assert desk.ask("POST", path, "carol", APPROVER, json={"status": "approved"}).status_code == 200
    assert "Slept for 0 seconds" in json.dumps(last(desk.goes_on(run)))


@pytest.mark.parametrize("team", ["desk", "house"])
def test_a_call_of_a_leader_is_seen_by_the_user_who_asked_and_by_no_other(desk: Desk, team: str) -> None:
    task = 'call divide {"a": 6, "b": 2}'
    run = desk.paused(handed_to("desk", task) if team == "house" else task, team=team)
    path = f"/approvals/{call(run)['approval_id']}"
    assert desk.ask("GET", path).json()["user_id"] == "alice"
    assert desk.ask("GET", path, "bob").status_code == 404
    yes = {"tool_call_id": call(run)["tool_call_id"], "confirmed": True}
    assert '"result": 3.0' in json.dumps(last(desk.goes_on(run, {"tools": [yes]}))).replace("\\", "")
