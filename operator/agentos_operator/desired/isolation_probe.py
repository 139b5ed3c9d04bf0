"""The pod that tries, from inside a workspace, what no tenant may do; and the Event about what it found."""

from __future__ import annotations

from datetime import datetime

from agentos_operator.desired.common import child
from agentos_operator.desired.deployment import RUNTIME_USER
from agentos_operator.naming import (
    API_VERSION,
    DATABASE_SECRET,
    FIELD_MANAGER,
    JWT_SECRET,
    NAME_LABEL,
    PROBE_NAME,
    workspace_labels,
)
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace

DEADLINE_SECONDS = 60
"""After this the kubelet ends the probe."""
_EVENT_NAMESPACE = "default"
"""Where Events about cluster-scoped objects belong; the API server takes them nowhere else."""
_LONGEST_NOTE = 1000
"""Characters that the API server admits in an Event's note are 1,024 bytes."""


def build_probe(workspace: Workspace, image: str, targets: str) -> Object:
    """The pod, with the credentials, the security context and the network of the workspace's runtimes.

    ``image`` is the operator's own, never a tenant's, which could say anything.
    """
    labels = workspace_labels(workspace.name) | {NAME_LABEL: PROBE_NAME}
    pod = child("v1", "Pod", PROBE_NAME, workspace.namespace, labels, workspace.owner)
    pod["spec"] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": DEADLINE_SECONDS,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": RUNTIME_USER,
            "runAsGroup": RUNTIME_USER,
            "fsGroup": RUNTIME_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(workspace, image, targets)],
    }
    return pod


def _container(workspace: Workspace, image: str, targets: str) -> Object:
    return {
        "name": "probe",
        "image": image,
        "args": ["verify-isolation"],
        "env": [
            {"name": "AGENTOS_WORKSPACE", "value": workspace.name},
            {"name": "AGENTOS_ISOLATION_TARGETS", "value": targets},
            _from_secret("AGENTOS_DATABASE_URL", DATABASE_SECRET, "url"),
            _from_secret("AGENTOS_DATABASE_SCHEMA", DATABASE_SECRET, "schema"),
            _from_secret("AGENTOS_JWT_VERIFICATION_SECRETS", JWT_SECRET, "verification-secrets"),
            _from_secret("AGENTOS_JWT_ISSUER", JWT_SECRET, "issuer"),
            _from_secret("AGENTOS_JWT_AUDIENCE", JWT_SECRET, "audience"),
        ],
        "resources": {
            "requests": {"cpu": "10m", "memory": "64Mi"},
            "limits": {"cpu": "500m", "memory": "128Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "File",
    }


def _from_secret(variable: str, secret: str, key: str) -> Object:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def build_breach_event(workspace: Workspace, reason: str, note: str, at: datetime) -> Object:
    """A Warning about ``workspace``, for administrators: tenants do not read where it lies.

    https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
    """
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": f"{workspace.name}-isolation-", "namespace": _EVENT_NAMESPACE},
        "type": "Warning",
        "reason": reason,
        "note": note[:_LONGEST_NOTE],
        "action": "VerifyIsolation",
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": FIELD_MANAGER,
        "reportingInstance": FIELD_MANAGER,
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": workspace.owner.kind,
            "name": workspace.name,
            "uid": workspace.meta.uid,
        },
    }
