"""Stored runs of agents and teams as what both are to a continuation: calls, whose they are, agno's form of them.

A team's run waits for calls of its own and for those of its members; agno keeps both as the run's requirements.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agno.db.base import AsyncBaseDb, SessionType
from agno.run.agent import RunOutput
from agno.run.base import RunStatus
from agno.run.requirement import RunRequirement
from agno.run.team import TeamRunOutput
from agno.session import AgentSession, TeamSession

from agentos_runtime.approvals.decision import Call, in_json

_SESSIONS = {"agents": SessionType.AGENT, "teams": SessionType.TEAM}


@dataclass(frozen=True)
class Run:
    """One stored run."""

    status: RunStatus
    calls: Sequence[Call]
    ids: frozenset[str]
    """Its own, and those of its members' runs, under which their approvals are kept."""
    user: str | None
    """Whose it is."""
    requirements: Sequence[Call] | None = None
    """Of a team, what each call belongs to, in the order of the calls."""

    def form(self, decided: Sequence[dict[str, Any]]) -> dict[str, str]:
        """The field in which agno's route takes the calls that were decided about."""
        if self.requirements is None:
            return {"tools": json.dumps(decided)}
        by_id = {call["tool_call_id"]: call for call in decided}
        given = [_resolved(each, by_id) for each in self.requirements if _id(each) in by_id]
        return {"requirements": json.dumps(given)}


async def find_run(
    database: AsyncBaseDb, kind: str, component: str, run_id: str, session_id: str, owner: str | None
) -> Run | None:
    """The run, if it is this agent's or team's, and the owner's where one is given; no run of a workflow."""
    if kind not in _SESSIONS:
        return None
    session = await database.get_session(session_id, session_type=_SESSIONS[kind], user_id=owner)
    run = session.get_run(run_id) if isinstance(session, AgentSession | TeamSession) else None
    if kind == "agents" and isinstance(run, RunOutput) and run.agent_id == component:
        calls = [in_json(tool.to_dict()) for tool in run.tools or []]
        return Run(run.status, calls, frozenset({run_id}), run.user_id)
    if kind == "teams" and isinstance(run, TeamRunOutput) and run.team_id == component:
        return _of_team(run, run_id)
    return None


def _of_team(run: TeamRunOutput, run_id: str) -> Run:
    found = [each for each in run.requirements or [] if each.tool_execution is not None]
    members = frozenset(str(each.member_run_id) for each in found if each.member_run_id)
    kept = [in_json(each.to_dict()) for each in found]
    calls = [_call(each, stored) for each, stored in zip(found, kept, strict=True)]
    # Read from a database, a team's status is the word alone.
    return Run(RunStatus(run.status), calls, members | {run_id}, run.user_id, kept)


def _call(requirement: RunRequirement, stored: Call) -> Call:
    """A requirement that was met before keeps its call as it waited; only what is open waits."""
    call: Call = stored["tool_execution"]
    return {**call, "result": call.get("result") or ""} if requirement.is_resolved() else call


def _id(requirement: Call) -> Any:
    return requirement["tool_execution"]["tool_call_id"]


def _resolved(requirement: Call, by_id: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    call = by_id[_id(requirement)]
    said = {"confirmation": call.get("confirmed"), "confirmation_note": call.get("confirmation_note")}
    return {**requirement, "tool_execution": call, **said, "external_execution_result": call.get("result")}
