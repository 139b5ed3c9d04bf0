"""Keeps the main API reachable below ``/api``: the grant of a Workspace, the second Ingress of an AgentDeployment.

Both lie in the API's Namespace, where the chart gives the operator a Role for that one kind.
"""

from __future__ import annotations

from agentos_operator import reasons
from agentos_operator.clients.kinds import INGRESS, REFERENCE_GRANT, WORKSPACE
from agentos_operator.conditions import Aspect, failed, held
from agentos_operator.desired.address import Address
from agentos_operator.desired.main_api import api_ingress_name, build_api_ingress, build_reference_grant
from agentos_operator.errors import NotFound
from agentos_operator.naming import workspace_of
from agentos_operator.reconcile.children import Children
from agentos_operator.reconcile.context import Context
from agentos_operator.resources.common import Owner, is_controlled_by
from agentos_operator.settings import MainApi
from agentos_operator.workqueue import Key

MAIN_API_READY = "MainAPIReady"


async def ensure_grant(children: Children, workspace: Owner, api: MainApi) -> Aspect:
    """The workspace's routes may point at the API's Service."""
    grant = build_reference_grant(workspace, api)
    # Its kind is not watched: that would take a right in every Namespace.
    await children.look(REFERENCE_GRANT, grant["metadata"]["name"], api.namespace)
    try:
        await children.apply(grant)
    except NotFound:
        return failed(
            MAIN_API_READY,
            reasons.GATEWAY_API_ABSENT,
            f"No ReferenceGrant can be made in namespace {api.namespace}; see that the namespace and the Gateway API "
            "exist.",
            stalled=True,
        )
    return held(MAIN_API_READY, f"/api leads to Service {api.service} in namespace {api.namespace}.")


async def ensure_api_ingress(context: Context, deployment: str, workspace: Owner, address: Address) -> None:
    """``/api`` of the deployment's hosts leads to the API's Service, in mode Ingress."""
    if api := _api_behind_ingress(context):
        children = Children(context.kubernetes, context.ledger, workspace.uid)
        await children.apply(build_api_ingress(deployment, workspace, address, context.settings.routing, api))


async def remove_api_ingress(context: Context, deployment: Key) -> None:
    """The deployment is gone or suspended, and its Workspace owns the Ingress on, so garbage collection waits."""
    api, workspace = _api_behind_ingress(context), workspace_of(deployment.namespace or "")
    if api is None or workspace is None:
        return
    name = api_ingress_name(deployment.name, workspace)
    live = await context.kubernetes.find(INGRESS, name, api.namespace)
    owner = await context.kubernetes.find(WORKSPACE, workspace) if live else None
    if live and owner and is_controlled_by(live, owner["metadata"]["uid"]):
        await context.kubernetes.delete(INGRESS, name, api.namespace, live["metadata"]["uid"])
        context.ledger.miss(INGRESS.kind, api.namespace, name)


def _api_behind_ingress(context: Context) -> MainApi | None:
    routing = context.settings.routing
    return routing.api if routing.mode == "Ingress" else None
