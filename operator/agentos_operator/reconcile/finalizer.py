"""Our mark on a Workspace that says: not gone before its database is taken care of."""

from __future__ import annotations

from agentos_operator.naming import FINALIZER
from agentos_operator.reconcile.context import Context
from agentos_operator.resources.common import Object


async def set_finalizer(context: Context, body: Object, *, present: bool) -> None:
    """Add or remove the finalizer, by an apply of nothing but the list's own entry.

    The list is a set (``x-kubernetes-list-type``) in which each manager owns its entries, so others' stay. The UID
    keeps the apply from creating a resource that was deleted meanwhile.
    """
    metadata = body["metadata"]
    document = {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {
            "name": metadata["name"],
            "uid": metadata["uid"],
            "finalizers": [FINALIZER] if present else [],
        },
    }
    await context.kubernetes.apply(document)
