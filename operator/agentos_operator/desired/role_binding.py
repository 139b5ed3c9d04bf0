"""The operator's own rights inside one workspace; nothing in a tenant's Namespace is reachable without it."""

from __future__ import annotations

from agentos_operator.desired.common import child
from agentos_operator.naming import FIELD_MANAGER, workspace_labels
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace
from agentos_operator.settings import Settings


def build_operator_role_binding(workspace: Workspace, settings: Settings) -> Object:
    """Binds the tenant ClusterRole to the operator's ServiceAccount in the workspace's Namespace."""
    account = settings.operator_service_account
    binding = child(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        FIELD_MANAGER,
        workspace.namespace,
        workspace_labels(workspace.name),
        workspace.owner,
    )
    binding["roleRef"] = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": settings.tenant_cluster_role,
    }
    binding["subjects"] = [{"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}]
    return binding
