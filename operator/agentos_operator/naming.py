"""Every name and label that the operator gives to a Kubernetes object.

Guarantees, for names that the CRDs admit (at most 30 characters, no ``--``):

* a namespace name is at most 33 characters, a host's first label at most 62 (the limit is 63, RFC 1035);
* two different (deployment, workspace) pairs never share a host, because ``--`` occurs once;
* labels are an index for watching and never decide ownership: that is the owner's UID.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

GROUP = "agentos.hyvve.io"
API_VERSION = f"{GROUP}/v1alpha1"
FIELD_MANAGER = "agentos-operator"
SCALING_MANAGER = f"{FIELD_MANAGER}-scaling"
"""Holds a Deployment's number of pods from when the operator lets go of it until an autoscaler changes it."""
FINALIZER = f"{GROUP}/database"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
WORKSPACE_LABEL = f"{GROUP}/workspace"
DEPLOYMENT_LABEL = f"{GROUP}/deployment"
PREVENT_DELETION_LABEL = f"{GROUP}/prevent-deletion"
"""On the Namespace of a Workspace with ``spec.preventDeletion``; the chart's admission policy selects it."""
CREDENTIALS_ANNOTATION = f"{GROUP}/credentials-id"
NEXT_CREDENTIALS_ANNOTATION = f"{GROUP}/next-credentials-id"
PREVIOUS_CREDENTIALS_ANNOTATION = f"{GROUP}/previous-credentials-id"
ROTATED_ANNOTATION = f"{GROUP}/rotated-at"
HANDLED_ANNOTATION = f"{GROUP}/handled-requests"
SWITCHED_ANNOTATION = f"{GROUP}/signer-switched-at"
CLEARING_ANNOTATION = f"{GROUP}/removing-verifier"
ROTATE_ANNOTATION = f"{GROUP}/rotate"
ROTATE_DATABASE_ANNOTATION = f"{GROUP}/rotate-database"
ROTATE_JWT_ANNOTATION = f"{GROUP}/rotate-jwt"

RUNTIME_NAME = "agentos-runtime"
PROBE_NAME = "agentos-isolation-probe"
APPLICATION_ANNOTATION = f"{GROUP}/application"
"""On pods of an application of the tenant's own, which need not have the runtime's routes."""
VERIFY_ANNOTATION = f"{GROUP}/verify-isolation"
"""On a Workspace: a new value has its isolation verified anew."""
DATABASE_SECRET = "agentos-database"  # noqa: S105 - the name of a Secret, not a secret
DATABASE_CA_CONFIG_MAP = "agentos-database-ca"
DATABASE_CA_FILE = PurePosixPath("/etc/agentos-database/ca.crt")
"""Where pods find the certificate authorities of their PostgreSQL server, when it has any of its own."""
RETAINED_CONFIG_MAP = "agentos-retained"
NETWORK_CONFIG_MAP = "agentos-network"
HANDOVER_CONFIG_MAP = "agentos-handover"
JWT_SECRET = "agentos-jwt"  # noqa: S105 - the name of a Secret, not a secret
NAMESPACE_PREFIX = "ws-"
RUNTIME_PORT = 7777
METRICS_PORT = 9464
"""Where a runtime's metrics are read; callers of its agents never are let through to it."""
TOKEN_ISSUER = GROUP
"""Value of the ``iss`` claim (RFC 7519, 4.1.1) in tokens signed with a workspace's generated secret."""


def namespace_of(workspace: str) -> str:
    """Name of the Namespace that belongs to the workspace called ``workspace``."""
    return NAMESPACE_PREFIX + workspace


def workspace_of(namespace: str) -> str | None:
    """Name of the workspace that a Namespace called ``namespace`` would belong to; None for other names."""
    return namespace.removeprefix(NAMESPACE_PREFIX) if namespace.startswith(NAMESPACE_PREFIX) else None


def member_binding(role: str) -> str:
    """Name of the RoleBinding for members with ``role`` (Viewer, Editor or Admin)."""
    return f"agentos-members-{role.lower()}"


def host_of(deployment: str, workspace: str, base_domain: str) -> str:
    """Host name under which a deployment is reached, such as ``support--acme.agents.example.com``."""
    return f"{deployment}--{workspace}.{base_domain}"


def agent_os_id(deployment: str, workspace: str) -> str:
    """Id of the AgentOS that a deployment serves; a Control Plane's tokens name it as their audience."""
    return f"{deployment}--{workspace}"


def path_of(deployment: str, workspace: str) -> str:
    """Path below which a deployment is reached on a host that all share, such as ``/acme/support``.

    Names hold no slash, so of two deployments' paths neither is ever a segment-wise prefix of the other.
    """
    return f"/{workspace}/{deployment}"


def workspace_labels(workspace: str) -> dict[str, str]:
    """Labels of every object that belongs to a workspace."""
    return {MANAGED_BY_LABEL: FIELD_MANAGER, WORKSPACE_LABEL: workspace}


def deployment_labels(deployment: str, workspace: str) -> dict[str, str]:
    """Labels of every object that belongs to an AgentDeployment."""
    return workspace_labels(workspace) | pod_selector(deployment) | {DEPLOYMENT_LABEL: deployment}


def pod_selector(deployment: str) -> dict[str, str]:
    """Labels by which a Deployment and a Service find their pods; a Deployment's selector is immutable."""
    return {NAME_LABEL: RUNTIME_NAME, INSTANCE_LABEL: deployment}


def digest(value: Mapping[str, Any]) -> str:
    """Ten hexadecimal characters that change when ``value`` (plain JSON data) changes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]
