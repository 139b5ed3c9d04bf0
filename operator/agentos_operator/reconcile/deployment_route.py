"""Brings an AgentDeployment's route into the cluster and, when nobody is to answer there, out of it again.

Called by ``reconcile.agent_deployment``; ``service`` feeds ``OtherRoutes`` from the watch.
"""

from __future__ import annotations

from agentos_operator import reasons
from agentos_operator.clients.kinds import HTTP_ROUTE, INGRESS, KINDS, Kind
from agentos_operator.conditions import Aspect, failed
from agentos_operator.errors import NotFound
from agentos_operator.reconcile.children import Children
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.rollout import ROUTE_READY, route_aspect
from agentos_operator.resources.common import Object

_KIND_OF_MODE = {"Gateway": HTTP_ROUTE, "Ingress": INGRESS}


async def apply_route(context: Context, children: Children, route: Object) -> Aspect:
    """Make ``route`` so; whether it was taken up. Then no route of the other kind is needed any more."""
    metadata = route["metadata"]
    kind = KINDS[route["kind"]]
    try:
        await children.apply(route)
    except NotFound:
        return route_aspect(None, context.settings.routing)
    live = await children.state(route)
    await _remove_other(context, children, kind, metadata["name"], metadata["namespace"])
    return route_aspect(live, context.settings.routing)


async def withdraw_route(context: Context, children: Children, name: str, namespace: str, why: str) -> Aspect:
    """Take the deployment's routes away: the gateway answers for itself then.

    A route that stayed would be answered 503 without Retry-After by one gateway, 500 or 404 by another; only that
    nothing is routed can be said the same way to all of them.
    """
    kind = _KIND_OF_MODE[context.settings.routing.mode]
    await children.remove(kind, name, namespace)
    await _remove_other(context, children, kind, name, namespace)
    return failed(ROUTE_READY, reasons.ROUTE_WITHDRAWN, why)


def is_settled(context: Context, route: Object, aspect: Aspect) -> bool:
    """Whether the cluster's routes hold no other hosts than ``route``'s: it is written, or there is none."""
    absent = aspect.reason in (reasons.ROUTE_WITHDRAWN, reasons.GATEWAY_API_ABSENT)
    return absent or context.ledger.is_current(route)


async def _remove_other(context: Context, children: Children, kind: Kind, name: str, namespace: str) -> None:
    other = context.other_routes
    if (namespace, name) in other and other.kind != kind:
        await children.remove(other.kind, name, namespace)
