"""What all pods of a workspace may use together, and what one container gets that says nothing."""

from __future__ import annotations

from agentos_operator.desired.common import child
from agentos_operator.naming import FIELD_MANAGER, workspace_labels
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace


def build_resource_quota(workspace: Workspace) -> Object:
    """The ceiling of ``spec.quota``; a tenant can never open a port of the nodes or order a load balancer."""
    quota = child(
        "v1",
        "ResourceQuota",
        FIELD_MANAGER,
        workspace.namespace,
        workspace_labels(workspace.name),
        workspace.owner,
    )
    quota["spec"] = {
        "hard": {
            "pods": str(workspace.quota.pods),
            "requests.cpu": workspace.quota.requests["cpu"],
            "requests.memory": workspace.quota.requests["memory"],
            "limits.cpu": workspace.quota.limits["cpu"],
            "limits.memory": workspace.quota.limits["memory"],
            "services.loadbalancers": "0",
            "services.nodeports": "0",
        }
    }
    return quota


def build_limit_range(workspace: Workspace) -> Object:
    """Defaults for containers without resources, which the quota would refuse otherwise."""
    limits = child(
        "v1",
        "LimitRange",
        FIELD_MANAGER,
        workspace.namespace,
        workspace_labels(workspace.name),
        workspace.owner,
    )
    limits["spec"] = {
        "limits": [
            {
                "type": "Container",
                "default": {"cpu": "500m", "memory": "512Mi"},
                "defaultRequest": {"cpu": "50m", "memory": "128Mi"},
            }
        ]
    }
    return limits
