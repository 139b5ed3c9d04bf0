"""The approval record of a workflow's step that waits for a yes or a no.

agno keeps one for each call of a tool that waits, and none for a step. The workflow writes it as it pauses
(agents/parts.py), and whoever continues the run finds it by its id (approvals/paused.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from agno.run.workflow import WorkflowRunOutput

_SPACE = UUID("5f0f0c54-6a4e-4d39-9c29-0d0c8c1f8a44")
"""Of ids that are made of a run's id and a place in what it has waited for."""


def record_id(run_id: str, place: int) -> str:
    """The record's id; `place` counts what the run has waited for."""
    return str(uuid5(_SPACE, f"{run_id}:{place}"))


def is_decision(step: Mapping[str, Any]) -> bool:
    """Whether a step, as agno writes it in JSON, waits for a yes or a no of its own."""
    return bool(step.get("requires_confirmation")) and not step.get("requires_executor_input")


def record_of(run: WorkflowRunOutput) -> dict[str, Any] | None:
    """What agno's database is given for the step that a paused run waits for; None where it waits for anything else."""
    steps = run.step_requirements or []
    step = steps[-1].to_dict() if steps else {}
    if not is_decision(step):
        return None
    shown = {name: value for name, value in step.items() if name != "step_input" and value is not None}
    return {
        "id": record_id(str(run.run_id), len(steps) - 1),
        "run_id": run.run_id,
        "session_id": run.session_id,
        "status": "pending",
        "approval_type": "required",
        "pause_type": "confirmation",
        "source_type": "workflow",
        "source_name": run.workflow_name,
        "workflow_id": run.workflow_id,
        "user_id": run.user_id,
        "requirements": [shown],
        "context": {"step_name": step["step_name"], "message": step["confirmation_message"]},
        "created_at": int(time.time()),
        "run_status": "PAUSED",
    }
