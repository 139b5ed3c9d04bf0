"""What a workspace may use altogether, and what one container gets that says nothing.

The numbers are those of a profile, which the administrator defines, with what the Workspace itself says on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agentos_operator import reasons
from agentos_operator.desired.common import child
from agentos_operator.naming import FIELD_MANAGER, workspace_labels
from agentos_operator.resources.common import Object, quantity
from agentos_operator.resources.workspace import QuotaSpec, Workspace
from agentos_operator.settings import QuotaProfile, QuotaResources


@dataclass(frozen=True)
class QuotaFault:
    """Why a Workspace's quota cannot be told, as a condition says it."""

    reason: str
    message: str


def merge_quota(spec: QuotaSpec, profiles: Mapping[str, QuotaProfile]) -> QuotaProfile | QuotaFault:
    """The profile that ``spec`` names, with the single numbers of ``spec`` in place of its own."""
    profile = profiles.get(spec.profile)
    if profile is None:
        known = ", ".join(sorted(profiles)) or "none"
        return QuotaFault(
            reasons.UNKNOWN_QUOTA_PROFILE,
            f"spec.quota.profile names {spec.profile}, but the operator knows: {known}. Name one of these, or add it "
            "to quota.profiles of the operator's configuration.",
        )
    merged = profile.model_copy(
        update={
            "pods": spec.pods or profile.pods,
            "requests": _merge(profile.requests, spec.requests),
            "limits": _merge(profile.limits, spec.limits),
        }
    )
    return _contradiction(spec.profile, merged) or merged


def _merge(ours: QuotaResources, theirs: Mapping[str, str]) -> QuotaResources:
    return QuotaResources(cpu=theirs.get("cpu", ours.cpu), memory=theirs.get("memory", ours.memory))


def _contradiction(name: str, quota: QuotaProfile) -> QuotaFault | None:
    for unit in ("cpu", "memory"):
        requested, limit = (str(getattr(side, unit)) for side in (quota.requests, quota.limits))
        if quantity(requested) > quantity(limit):
            return QuotaFault(
                reasons.INVALID_QUOTA,
                f"With profile {name} and what spec.quota says itself, requests.{unit} is {requested}, more than "
                f"limits.{unit}, which is {limit}. Set both in spec.quota, or choose another profile.",
            )
    return None


def build_resource_quota(workspace: Workspace, quota: QuotaProfile) -> Object:
    """The ceiling; a tenant can never open a port of the nodes or order a load balancer.

    Only what controllers make, and make again, is counted: until Kubernetes has counted for the first time, it refuses
    everything that is, and people's own AgentDeployments and Secrets must not be refused for that.
    """
    built = _child("ResourceQuota", workspace)
    built["spec"] = {
        "hard": {
            "pods": str(quota.pods),
            "requests.cpu": quota.requests.cpu,
            "requests.memory": quota.requests.memory,
            "limits.cpu": quota.limits.cpu,
            "limits.memory": quota.limits.memory,
            "services.loadbalancers": "0",
            "services.nodeports": "0",
        }
    }
    return built


def build_limit_range(workspace: Workspace, quota: QuotaProfile) -> Object:
    """Defaults for containers without resources, which the quota would refuse otherwise."""
    built = _child("LimitRange", workspace)
    built["spec"] = {
        "limits": [
            {
                "type": "Container",
                "default": quota.container.limits.model_dump(),
                "defaultRequest": quota.container.requests.model_dump(),
            }
        ]
    }
    return built


def _child(kind: str, workspace: Workspace) -> Object:
    labels = workspace_labels(workspace.name)
    return child("v1", kind, FIELD_MANAGER, workspace.namespace, labels, workspace.owner)
