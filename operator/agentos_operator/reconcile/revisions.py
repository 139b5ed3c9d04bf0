"""Keeps the history that ``agentosctl rollout`` shows and goes back in.

Called by ``reconcile.agent_deployment`` once what the spec says was brought into the cluster: a spec that waits for a
Secret, or names an image that is not allowed, never was. What pods need of a revision lies in their own ConfigMap; this
is for people, and nothing else waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agentos_operator.clients.kinds import CONTROLLER_REVISION
from agentos_operator.conditions import Aspect, held
from agentos_operator.desired.revision import build_revision, revision_name
from agentos_operator.naming import deployment_labels
from agentos_operator.reconcile.attempt import attempt
from agentos_operator.reconcile.children import Children
from agentos_operator.reconcile.context import Context
from agentos_operator.resources.agent_deployment import AgentDeployment
from agentos_operator.resources.common import Object, is_controlled_by

HISTORY_KEPT = "HistoryKept"
"""Told only while it cannot be."""
_WHAT = "history"
KEPT = 10
"""Revisions, as a Deployment keeps by default (``revisionHistoryLimit``)."""


async def keep_history(
    context: Context, children: Children, deployment: AgentDeployment, workspace: str
) -> tuple[list[Aspect], Object]:
    """Have the newest revision say what the spec says; what is wrong with that, and the field of status."""
    uid, name = deployment.meta.uid, revision_name(deployment)
    if known := context.looks.recall(uid, _WHAT, name):
        return [], {"revision": known}
    number: list[int] = []

    async def keep() -> Aspect:
        found = await _find(context, deployment, workspace)
        number.append(await _ensure_newest(context, children, deployment, workspace, found))
        await _drop_oldest(context, deployment, found)
        context.looks.note(uid, _WHAT, name, number[0])
        return held(HISTORY_KEPT, "The history is kept.")

    aspect = await attempt(HISTORY_KEPT, keep())
    return [] if aspect.holds else [replace(aspect, required=False)], {"revision": number[0]} if number else {}


async def _find(context: Context, deployment: AgentDeployment, workspace: str) -> list[Object]:
    """The deployment's revisions, the oldest first."""
    labels = deployment_labels(deployment.name, workspace)
    found = await context.kubernetes.list(CONTROLLER_REVISION, deployment.namespace, labels)
    return sorted((each for each in found if is_controlled_by(each, deployment.meta.uid)), key=_number)


async def _ensure_newest(
    context: Context, children: Children, deployment: AgentDeployment, workspace: str, found: Sequence[Object]
) -> int:
    """Its number. What was said before and is said again gets the next number, as with ``kubectl rollout undo``."""
    name = revision_name(deployment)
    if found and found[-1]["metadata"]["name"] == name:
        return _number(found[-1])
    number = _number(found[-1]) + 1 if found else 1
    # Revisions are not watched: what the ledger remembers of one may be gone.
    context.ledger.miss(CONTROLLER_REVISION.kind, deployment.namespace, name)
    await children.apply(build_revision(deployment, workspace, number))
    return number


async def _drop_oldest(context: Context, deployment: AgentDeployment, found: Sequence[Object]) -> None:
    """Also what an operator that ended in between has left: ``found`` is what was there before this attempt."""
    earlier = [each["metadata"] for each in found if each["metadata"]["name"] != revision_name(deployment)]
    for metadata in earlier[: max(0, len(earlier) + 1 - KEPT)]:
        await context.kubernetes.delete(CONTROLLER_REVISION, metadata["name"], deployment.namespace, metadata["uid"])


def _number(revision: Object) -> int:
    return int(revision["revision"])
