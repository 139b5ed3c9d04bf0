"""What a Workspace's status says of surroundings that were not found; nothing when all were."""

from __future__ import annotations

from agentos_operator import reasons
from agentos_operator.conditions import Aspect
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.surroundings.memory import DNS, GATEWAY, subject_of
from agentos_operator.resources.workspace import Workspace

NETWORK_READY = "NetworkReady"
"""Told only while it is not."""


def tell_surroundings(context: Context, workspace: Workspace) -> list[Aspect]:
    """Not part of Ready: the operator has done what it can, and much works without a gateway."""
    told = context.surroundings.told
    subjects = (DNS, GATEWAY, subject_of(workspace.database.server))
    problems = [told[subject] for subject in subjects if subject in told]
    if not problems:
        return []
    holds = False if any(each.certain for each in problems) else None
    message = " ".join(each.text for each in problems)
    return [Aspect(NETWORK_READY, holds, reasons.NOT_DISCOVERED, message, required=False)]
