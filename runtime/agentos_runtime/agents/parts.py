"""Workflows as they are asked over HTTP, and agents and teams that are part of one and stay so in their copies.

agno copies a workflow for every run, and the copy of an agent forgets whose part it is: it would then write a session
of its own under the workflow's id, in the place of the workflow's. agno tells it again only to the executors of outer
steps.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from agno.agent import Agent
from agno.run.agent import RunOutput
from agno.run.base import RunStatus
from agno.run.team import TeamRunOutput
from agno.run.workflow import WorkflowRunOutput
from agno.session.workflow import WorkflowSession
from agno.team import Team
from agno.workflow import Workflow

from agentos_runtime.reviews import record_of


async def _ended(stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The same events, and the run itself when nothing is left to do.

    A step leaves the stream as soon as it has the run; closed in its middle, agno counts the run as cancelled, also one
    that waits for a decision.
    """
    run: RunOutput | TeamRunOutput | None = None
    async for event in stream:
        if isinstance(event, RunOutput | TeamRunOutput):
            run = event
        else:
            yield event
    if run is not None:
        yield run


class _InWorkflow:
    workflow_id: str | None

    def arun(self, *args: Any, **given: Any) -> Any:
        part: Any = super()
        answer = part.arun(*args, **given)
        return _ended(answer) if isinstance(answer, AsyncIterator) else answer

    def deep_copy(self, *, update: dict[str, Any] | None = None) -> Any:
        part: Any = super()
        copied = part.deep_copy(update=update)
        copied.workflow_id = self.workflow_id
        return copied


class AgentInWorkflow(_InWorkflow, Agent):
    """An agent whose sessions are its workflow's."""


class TeamInWorkflow(_InWorkflow, Team):
    """A team whose sessions are its workflow's, as are those of its members."""


class ServedWorkflow(Workflow):
    """A workflow as it is asked over HTTP, of which each step that waits for a yes or a no has an approval record.

    Its runs may have `additional_data` that came in a form. agno's route turns the other fields that hold JSON into
    what they say, and hands this one on as text, on which its own steps fail. `http/run_forms.py` has made sure that it
    is a mapping.
    """

    def arun(self, *args: Any, additional_data: Any = None, **kwargs: Any) -> Any:
        data = json.loads(additional_data or "{}") if isinstance(additional_data, str) else additional_data
        run: Any = super().arun
        return run(*args, additional_data=data, **kwargs)

    async def _apersist_session_and_run(self, session: WorkflowSession, run: WorkflowRunOutput) -> None:
        """The record first: a run that waits where no approver could see it would never go on."""
        record = record_of(run) if run.status == RunStatus.paused else None
        database: Any = self.db
        if record and await database.get_approval(record["id"]) is None:
            await database.create_approval(record)
        await super()._apersist_session_and_run(session=session, run=run)
