"""Brings the RoleBindings of a workspace's members to what its spec says: written, put back, dropped when empty."""

from __future__ import annotations

from agentos_operator.clients.kinds import ROLE_BINDING
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.naming import member_binding
from agentos_operator.reconcile.children import Children
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import MEMBER_ROLES, Workspace


async def ensure_members(
    kubernetes: Kubernetes, children: Children, workspace: Workspace, bindings: tuple[Object, ...]
) -> None:
    """Exactly ``bindings`` are there; those of roles that nobody has any more are deleted."""
    wanted = {binding["metadata"]["name"] for binding in bindings}
    for name in map(member_binding, MEMBER_ROLES):
        live = await children.look(ROLE_BINDING, name, workspace.namespace)
        if live and name not in wanted:
            await kubernetes.delete(ROLE_BINDING, name, workspace.namespace, live["metadata"]["uid"])
    await children.apply_all(bindings)
