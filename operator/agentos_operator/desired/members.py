"""What people may do in a workspace: one RoleBinding for each role that somebody has.

The ClusterRoles are the chart's (templates/rbac/members.yaml), where it stands what each allows and why not more.
"""

from __future__ import annotations

from agentos_operator.desired.common import child
from agentos_operator.naming import member_binding, workspace_labels
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import MEMBER_ROLES, Member, Workspace
from agentos_operator.settings import MemberClusterRoles


def build_member_bindings(workspace: Workspace, roles: MemberClusterRoles) -> tuple[Object, ...]:
    """RoleBindings of the roles that the workspace's members have."""
    held = [role for role in MEMBER_ROLES if any(member.role == role for member in workspace.members)]
    return tuple(_binding(workspace, role, roles.name_of(role)) for role in held)


def _binding(workspace: Workspace, role: str, cluster_role: str) -> Object:
    binding = child(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        member_binding(role),
        workspace.namespace,
        workspace_labels(workspace.name),
        workspace.owner,
    )
    binding["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role}
    binding["subjects"] = [_subject(member) for member in sorted(workspace.members) if member.role == role]
    return binding


def _subject(member: Member) -> Object:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": member.kind, "name": member.name}
