"""Finds children that are gone without an event: deleted while their kind was not watched, or between two watches.

A watch that begins again lists what is there; what is not there is not told
(https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes). ``service`` soon
sweeps kinds whose watch began again, and all of them once in a while: one list of names per kind, for all workspaces.
"""

from __future__ import annotations

from collections.abc import Set

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, WATCHED, Kind
from agentos_operator.errors import ApiError, NotFound
from agentos_operator.ledger import ChildRef
from agentos_operator.naming import FIELD_MANAGER, MANAGED_BY_LABEL
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.owners import resources_of
from agentos_operator.workqueue import Key

_OURS = {MANAGED_BY_LABEL: FIELD_MANAGER}


async def sweep(context: Context, kinds: Set[str] | None = None) -> None:
    """Compare watched kinds with what is known of them; owners of what is gone are reconciled.

    Args:
        context: of the operator.
        kinds: those to look at, such as ``Service``; all when it is None.
    """
    for kind in (each for each in WATCHED if kinds is None or each.kind in kinds):
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
