"""How far a suspended Workspace has come to rest; the AgentDeployments stop themselves, each for itself.

Called by ``reconcile.workspace``. An AgentDeployment whose pods have gone marks its Workspace, so the count is soon
right; meanwhile the Workspace is looked at again as everything is that is not settled.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentos_operator import reasons
from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, DEPLOYMENT
from agentos_operator.conditions import SUSPENDED, Aspect, failed, held
from agentos_operator.naming import workspace_labels
from agentos_operator.reconcile.context import Context
from agentos_operator.resources.common import Object, is_controlled_by
from agentos_operator.resources.workspace import Workspace


async def find_suspension(context: Context, workspace: Workspace) -> Aspect:
    """Whether all runtimes of a suspended ``workspace`` have stopped."""
    deployments = await context.kubernetes.list(AGENT_DEPLOYMENT, workspace.namespace, {})
    await _remove_strays(context, workspace, deployments)
    return suspended_aspect([each for each in deployments if not _is_going(each)])


async def _remove_strays(context: Context, workspace: Workspace, deployments: Sequence[Object]) -> None:
    """Delete runtimes that no AgentDeployment would stop: orphans, and those of one that a finalizer holds back.

    Whoever deletes an AgentDeployment could otherwise keep its pods running through a suspension.
    """
    stopping = {each["metadata"]["uid"] for each in deployments if not _is_going(each)}
    for runtime in await context.kubernetes.list(DEPLOYMENT, workspace.namespace, workspace_labels(workspace.name)):
        if not any(is_controlled_by(runtime, uid) for uid in stopping):
            metadata = runtime["metadata"]
            await context.kubernetes.delete(DEPLOYMENT, metadata["name"], workspace.namespace, metadata["uid"])


def _is_going(deployment: Object) -> bool:
    return "deletionTimestamp" in deployment["metadata"]


def suspended_aspect(deployments: Sequence[Object]) -> Aspect:
    """The same, from the workspace's AgentDeployments; pure."""
    running = sorted(each["metadata"]["name"] for each in deployments if not _has_stopped(each))
    total = len(deployments)
    if not running:
        return held(
            SUSPENDED,
            f"spec.suspended is true: all runtimes ({total}) are stopped. Set it to false to serve again.",
            reasons.SUSPENDED,
        )
    named = ", ".join(running[:5]) + (", …" if len(running) > 5 else "")
    return failed(SUSPENDED, reasons.STOPPING, f"{len(running)} of {total} runtimes are still to stop: {named}.")


def _has_stopped(deployment: Object) -> bool:
    conditions = deployment.get("status", {}).get("conditions", ())
    return any(each["type"] == SUSPENDED and each["status"] == "True" for each in conditions)
