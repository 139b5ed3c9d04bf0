"""Stored runs of agents, teams and workflows as what all are to a continuation: calls, whose they are, agno's form.

A team's run waits for calls of its own and for those of its members; agno keeps both as the run's requirements. A
workflow's run waits for one step: for calls of whoever runs it, which are the step's requirements, or for a person.
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
from agno.run.workflow import WorkflowRunOutput
from agno.session import AgentSession, TeamSession, WorkflowSession

from agentos_runtime.approvals.decision import Call, in_json
from agentos_runtime.reviews import is_decision, record_id

_SESSIONS = {"agents": SessionType.AGENT, "teams": SessionType.TEAM, "workflows": SessionType.WORKFLOW}


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
    """Of a team, or of a step that one runs: what each call belongs to, in the order of the calls."""
    steps: Sequence[Call] | None = None
    """Of a workflow, what it has waited for; the last is what it waits for now."""

    @property
    def review(self) -> Call | None:
        """The step itself that waits for a person, rather than a call of an agent or a team."""
        return self.steps[-1] if self.steps and self.requirements is None else None

    @property
    def asks(self) -> bool:
        """Whether that step asks its user for something, rather than for a yes or a no."""
        return self.review is not None and not self.calls

    def form(self, decided: Sequence[dict[str, Any]]) -> dict[str, str]:
        """The field in which agno's route takes the calls, or the step, that were decided about."""
        if self.requirements is None and self.steps is None:
            return {"tools": json.dumps(decided)}
        if self.requirements is None:
            said = {"confirmed": decided[0]["confirmed"], "rejection_feedback": decided[0]["confirmation_note"]}
            return self.answer({**self.steps[-1], **said} if self.steps else said)
        by_id = {call["tool_call_id"]: call for call in decided}
        given = [_resolved(each, by_id) for each in self.requirements if _id(each) in by_id]
        if self.steps is None:
            return {"requirements": json.dumps(given)}
        return self.answer({**self.steps[-1], "executor_requirements": given})

    def answer(self, step: Call) -> dict[str, str]:
        """The field for a workflow's step; agno takes the whole list for what the run has waited for."""
        earlier = self.steps[:-1] if self.steps else ()
        return {"step_requirements": json.dumps([*earlier, step])}


async def find_run(
    database: AsyncBaseDb, kind: str, component: str, run_id: str, session_id: str, owner: str | None
) -> Run | None:
    """The run, if it is this agent's, team's or workflow's, and the owner's where one is given."""
    session = await database.get_session(session_id, session_type=_SESSIONS[kind], user_id=owner)
    run = session.get_run(run_id) if isinstance(session, AgentSession | TeamSession | WorkflowSession) else None
    if kind == "agents" and isinstance(run, RunOutput) and run.agent_id == component:
        calls = [in_json(tool.to_dict()) for tool in run.tools or []]
        return Run(run.status, calls, frozenset({run_id}), run.user_id)
    if kind == "teams" and isinstance(run, TeamRunOutput) and run.team_id == component:
        return _of_team(run, run_id)
    if kind == "workflows" and isinstance(run, WorkflowRunOutput) and run.workflow_id == component:
        return _of_workflow(run, run_id)
    return None


def _of_team(run: TeamRunOutput, run_id: str) -> Run:
    found = [each for each in run.requirements or [] if each.tool_execution is not None]
    members = frozenset(str(each.member_run_id) for each in found if each.member_run_id)
    kept = [in_json(each.to_dict()) for each in found]
    calls = [_call(each, stored) for each, stored in zip(found, kept, strict=True)]
    # Read from a database, a team's status is the word alone.
    return Run(RunStatus(run.status), calls, members | {run_id}, run.user_id, kept)


def _of_workflow(run: WorkflowRunOutput, run_id: str) -> Run:
    steps = [in_json(each.to_dict()) for each in run.step_requirements or []]
    status, ids = RunStatus(run.status), frozenset({run_id})
    if not steps or not steps[-1].get("requires_executor_input"):
        calls = [_of_step(run_id, len(steps) - 1, steps[-1])] if steps and is_decision(steps[-1]) else []
        return Run(status, calls, ids, run.user_id, steps=steps)
    kept = [each for each in steps[-1]["executor_requirements"] if each.get("tool_execution")]
    calls = [_call(RunRequirement.from_dict(dict(each)), each) for each in kept]
    ids |= {str(id_) for id_ in (steps[-1]["executor_run_id"], *(each.get("member_run_id") for each in kept)) if id_}
    return Run(status, calls, ids, run.user_id, kept, steps)


def _of_step(run_id: str, place: int, step: Call) -> Call:
    """A step that waits for a yes or a no, as a call: whoever decides about it decides in the same way."""
    return {
        "tool_call_id": step["step_id"],
        "tool_name": step["step_name"],
        "requires_confirmation": True,
        "approval_id": record_id(run_id, place),
    }


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
