"""Agents and teams that are part of a workflow and stay so in their copies, and workflows that are asked over HTTP.

agno copies a workflow for every run, and the copy of an agent forgets whose part it is: it would then write a session
of its own under the workflow's id, in the place of the workflow's. agno tells it again only to the executors of outer
steps.
"""

from __future__ import annotations

import json
from typing import Any

from agno.agent import Agent
from agno.team import Team
from agno.workflow import Workflow


class AgentInWorkflow(Agent):
    """An agent whose sessions are its workflow's."""

    def deep_copy(self, *, update: dict[str, Any] | None = None) -> AgentInWorkflow:
        copied: Any = super().deep_copy(update=update)
        copied.workflow_id = self.workflow_id
        return copied  # type: ignore[no-any-return]


class TeamInWorkflow(Team):
    """A team whose sessions are its workflow's, as are those of its members."""

    def deep_copy(self, *, update: dict[str, Any] | None = None) -> TeamInWorkflow:
        copied: Any = super().deep_copy(update=update)
        copied.workflow_id = self.workflow_id
        return copied  # type: ignore[no-any-return]


class AskedWorkflow(Workflow):
    """A workflow whose runs may have `additional_data` that came in a form.

    agno's route turns the other fields that hold JSON into what they say, and hands this one on as text, on which its
    own steps fail. `http/run_forms.py` has made sure that it is a mapping.
    """

    def arun(self, *args: Any, additional_data: Any = None, **kwargs: Any) -> Any:
        data = json.loads(additional_data or "{}") if isinstance(additional_data, str) else additional_data
        run: Any = super().arun
        return run(*args, additional_data=data, **kwargs)
