"""What the operator makes of a resource that the API server has accepted: everything pure of a reconciliation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentos_operator.desired.access import build_access, deployment_with_access
from agentos_operator.desired.agent_deployment import build_deployment_objects
from agentos_operator.desired.revision import build_revision
from agentos_operator.desired.surroundings import configured_surroundings
from agentos_operator.desired.workspace import build_workspace_objects
from agentos_operator.reconcile.spec_check import spec_aspect
from agentos_operator.resources.access import Access, parse_access
from agentos_operator.resources.agent_deployment import parse_agent_deployment
from agentos_operator.resources.workspace import parse_workspace
from agentos_operator.settings import Settings
from tests.generated.documents import resource
from tests.unit.runtime.signing import RSA, pem

Object = dict[str, Any]
DEFAULT_SPEC: Object = {"auth": {}, "controlPlane": {}}
"""Of a Workspace: as much as decides about pods."""
_RESOURCES = {side: {"cpu": "1", "memory": "1Gi"} for side in ("requests", "limits")}
PLAIN: Object = resource(
    "AgentDeployment",
    {
        "agents": [{"id": "a", "model": {"id": "openai-chat:x"}}],
        "replicas": 1,
        "suspended": False,
        "resources": _RESOURCES,
    },
)
"""An AgentDeployment as the API server stores one that says no more than it must."""
PLAIN["metadata"]["uid"] = "6f1f7c1e-0000-4000-8000-000000000001"


def workspace_objects(body: Object, settings: Settings) -> Iterator[Object]:
    """Every object of a Workspace on a server that is known; none of one on another, which begins nothing."""
    workspace = parse_workspace(body)
    if settings.server(workspace.database.server) is None:
        return
    objects = build_workspace_objects(workspace, configured_surroundings(settings), settings)
    yield from (objects.namespace, objects.role_binding, *objects.member_bindings, *objects.inside)


def deployment_objects(body: Object, settings: Settings, workspace: Object = DEFAULT_SPEC) -> Iterator[Object]:
    """Every object of an AgentDeployment of a Workspace with this spec; none where the operator refuses its own."""
    deployment = parse_agent_deployment(body)
    if not spec_aspect(body).holds:
        return
    credentials = {"database-credentials": "0123456789"}
    bundle = build_deployment_objects(deployment, "generated", credentials, settings)
    bundle = deployment_with_access(bundle, access_variables(parse_access(workspace)))
    yield from (bundle.config_map, bundle.deployment, bundle.service, bundle.disruption_budget)
    yield from (each for each in (bundle.autoscaler, bundle.route) if each is not None)
    yield build_revision(deployment, "generated", 1)


def access_variables(access: Access) -> list[Object]:
    """What pods are told of who may sign; keys of Secrets are good ones."""
    return build_access(access, dict.fromkeys(access.secret_keys, pem(RSA)))
