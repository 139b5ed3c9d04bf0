"""Compares all that is watched with what its events have told, because an event can be missing.

A watch that begins again lists what is there; what is not there is not told
(https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes). So kinds whose watch
began again are soon swept for what is gone. Once in a while everything is, also for what is there and was not told, or
was changed since: that is how little has to be read to know that a thousand workspaces are as they were left.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, WATCHED, WORKSPACE, Kind
from agentos_operator.errors import ApiError, NotFound
from agentos_operator.ledger import ChildRef, reference_of
from agentos_operator.naming import FIELD_MANAGER, MANAGED_BY_LABEL
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.owners import key_of, keys_of, resources_of, workspaces_of
from agentos_operator.resources.common import Object
from agentos_operator.workqueue import Key

_OURS = {MANAGED_BY_LABEL: FIELD_MANAGER}
_RESOURCES = (WORKSPACE, AGENT_DEPLOYMENT)


async def sweep(context: Context, kinds: Set[str] | None = None) -> None:
    """Have whom it concerns reconciled.

    Args:
        context: of the operator.
        kinds: those to sweep for what is gone, such as ``Service``; None sweeps all, for what was changed as well.
    """
    for kind in (*_RESOURCES, *WATCHED):
        if kinds is None or kind.kind in kinds:
            known = context.ledger.references(kind.kind) | context.sightings.references(kind.kind)
            if known or kinds is None:
                await _sweep_kind(context, kind, known, changes=kinds is None)


async def _sweep_kind(context: Context, kind: Kind, known: set[ChildRef], *, changes: bool) -> None:
    present: set[ChildRef] = set()
    try:
        async for body in context.kubernetes.metadata(kind, {} if kind in _RESOURCES else _OURS):
            present.add(reference_of(body))
            if changes:
                _compare(context, kind, body)
    except NotFound:
        present = set()  # the kind itself was taken out of the cluster
    except ApiError:
        return  # it proves nothing
    for reference in known - present:
        _miss(context, kind, reference)


def _compare(context: Context, kind: Kind, body: Object) -> None:
    """What a resource or a child says of itself is in its metadata; a look reads the rest."""
    workspaces = workspaces_of(body)
    if not context.sightings.lag(body, workspaces):
        return
    context.sightings.note(body, workspaces, deleted=False)
    if kind in _RESOURCES:
        context.mark(key_of(body))
        return
    reference = reference_of(body)
    context.ledger.miss(kind.kind, reference.namespace, reference.name)
    context.looks.doubt(body)
    for key in keys_of(body):
        context.mark(key)


def _miss(context: Context, kind: Kind, reference: ChildRef) -> None:
    for key in set(_concerned(context, kind, reference)):
        context.mark(key)


def _concerned(context: Context, kind: Kind, reference: ChildRef) -> Iterator[Key]:
    """Whom the end of an object concerns, of which no event told."""
    losers = context.sightings.lose(reference)
    if kind in _RESOURCES:
        yield Key(kind.kind, reference.namespace, reference.name)
    elif owner := context.ledger.miss(kind.kind, reference.namespace, reference.name):
        yield Key(owner[0], reference.namespace if owner[0] == AGENT_DEPLOYMENT.kind else None, owner[1])
    else:
        # Nothing was applied yet that would tell whose it was, as after a handover.
        for workspace, keys in resources_of(context.sightings):
            if workspace in losers:
                yield from keys
