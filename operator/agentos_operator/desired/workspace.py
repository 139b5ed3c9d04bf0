"""All objects of a workspace that need no secret value, as one typed bundle."""

from __future__ import annotations

from dataclasses import dataclass

from agentos_operator.desired.members import build_member_bindings
from agentos_operator.desired.namespace import build_namespace
from agentos_operator.desired.network_policy import build_default_deny, build_openings, build_probe_opening
from agentos_operator.desired.quota import QuotaFault, build_limit_range, build_resource_quota, merge_quota
from agentos_operator.desired.role_binding import build_operator_role_binding
from agentos_operator.desired.surroundings import Surroundings
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace
from agentos_operator.settings import Settings


@dataclass(frozen=True)
class WorkspaceObjects:
    """What a Workspace owns, in the order in which it must come into being."""

    namespace: Object
    role_binding: Object
    """Written before ``inside``, because it carries the right to write the rest."""
    member_bindings: tuple[Object, ...]
    """What people may do."""
    inside: tuple[Object, ...]
    """Objects in the Namespace, in any order."""


def build_workspace_objects(workspace: Workspace, surroundings: Surroundings, settings: Settings) -> WorkspaceObjects:
    """The objects that ``workspace`` owns; its database server is one of ``surroundings``."""
    return WorkspaceObjects(
        namespace=build_namespace(workspace),
        role_binding=build_operator_role_binding(workspace, settings),
        member_bindings=build_member_bindings(workspace, settings.member_cluster_roles),
        inside=(
            build_default_deny(workspace),
            build_openings(workspace, surroundings, settings),
            build_probe_opening(workspace),
            *_quota_objects(workspace, settings),
        ),
    )


def _quota_objects(workspace: Workspace, settings: Settings) -> tuple[Object, ...]:
    """None when the quota cannot be told: those that are there then stay as they are."""
    quota = merge_quota(workspace.quota, settings.quota.profiles)
    if isinstance(quota, QuotaFault):
        return ()
    return build_resource_quota(workspace, quota), build_limit_range(workspace, quota)
