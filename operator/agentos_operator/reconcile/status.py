"""Writes a resource's status, and only when it says something new."""

from __future__ import annotations

from collections.abc import Sequence

from agentos_operator.conditions import with_transition_times
from agentos_operator.reconcile.context import Context
from agentos_operator.resources.common import Object


async def write_status(context: Context, body: Object, conditions: Sequence[Object], fields: Object) -> bool:
    """Make ``body``'s status consist of ``conditions`` and ``fields``; return whether it changed.

    The UID goes along, so that a resource which was deleted meanwhile is not created anew by the apply.
    """
    metadata = body["metadata"]
    previous = body.get("status", {})
    status = {
        "observedGeneration": metadata["generation"],
        "conditions": with_transition_times(conditions, previous.get("conditions", ()), context.now()),
        **fields,
    }
    if status == previous:
        return False
    identity = {key: metadata[key] for key in ("name", "namespace", "uid") if key in metadata}
    document = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": identity, "status": status}
    await context.kubernetes.apply(document, subresource="status")
    return True
