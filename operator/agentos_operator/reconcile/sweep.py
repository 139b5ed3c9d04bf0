"""Finds children that are gone without an event: deleted while their kind was not watched, or between two watches.

A watch that begins again lists what is there; what is not there is not told
(https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes). ``service`` sweeps at an
interval: one list of names per kind, for all workspaces together.
"""

from __future__ import annotations

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, WATCHED, Kind
from agentos_operator.errors import ApiError, NotFound
from agentos_operator.ledger import ChildRef
from agentos_operator.naming import FIELD_MANAGER, MANAGED_BY_LABEL
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.owners import resources_of
from agentos_operator.workqueue import Key

_OURS = {MANAGED_BY_LABEL: FIELD_MANAGER}


async def sweep(context: Context) -> None:
    """Compare every watched kind with what is known of it; owners of what is gone are reconciled."""
    for kind in WATCHED:
        known = context.ledger.references(kind.kind) | context.sightings.references(kind.kind)
        for reference in known - await _present(context, kind, known):
            losers = context.sightings.lose(reference)
            if owner := context.ledger.miss(kind.kind, reference.namespace, reference.name):
                context.mark(_key(*owner, reference.namespace))
            else:
                _mark_all(context, losers)


def _mark_all(context: Context, workspaces: set[str]) -> None:
    """Nothing was applied yet that would tell whose the lost object was, as after a handover."""
    for workspace, keys in resources_of(context.sightings):
        if workspace in workspaces:
            for key in keys:
                context.mark(key)


async def _present(context: Context, kind: Kind, known: set[ChildRef]) -> set[ChildRef]:
    """The children of ``kind`` that exist; all of ``known`` when that cannot be found out now."""
    if not known:
        return known
    try:
        names = await context.kubernetes.names(kind, _OURS)
    except NotFound:
        return set()  # the kind itself was taken out of the cluster
    except ApiError:
        return known
    return {ChildRef(kind.kind, namespace, name) for namespace, name in names}


def _key(kind: str, name: str, namespace: str | None) -> Key:
    return Key(kind, namespace if kind == AGENT_DEPLOYMENT.kind else None, name)
