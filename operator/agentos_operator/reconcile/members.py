"""Brings the RoleBindings of a workspace's members to what its spec says: written, put back, dropped when empty."""

from __future__ import annotations

from agentos_operator.clients.kinds import ROLE_BINDING
from agentos_operator.naming import member_binding
from agentos_operator.reconcile.children import Children
from agentos_operator.reconcile.context import Context
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import MEMBER_ROLES, Workspace

_WHAT = "members"


async def ensure_members(
    context: Context, children: Children, workspace: Workspace, bindings: tuple[Object, ...]
) -> None:
    """Exactly ``bindings`` are there; those of roles that nobody has any more are deleted."""
    wanted = frozenset(binding["metadata"]["name"] for binding in bindings)
    if not context.looks.recall(workspace.meta.uid, _WHAT, wanted):
        await _only(context, children, workspace, wanted)
        context.looks.note(workspace.meta.uid, _WHAT, wanted, True)
    await children.apply_all(bindings)


async def _only(context: Context, children: Children, workspace: Workspace, wanted: frozenset[str]) -> None:
    # Without a selector: a binding that grants something does so without labels too.
    found = {
        each["metadata"]["name"]: each for each in await context.kubernetes.list(ROLE_BINDING, workspace.namespace, {})
    }
    for name in map(member_binding, MEMBER_ROLES):
        live = children.take_note(ROLE_BINDING, name, workspace.namespace, found.get(name))
        if live and name not in wanted:
            await context.kubernetes.delete(ROLE_BINDING, name, workspace.namespace, live["metadata"]["uid"])
