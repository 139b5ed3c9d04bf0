"""The pod that tries, from inside a workspace, what no tenant may do; and the Event about what it found."""

from __future__ import annotations

from datetime import datetime

from agentos_operator.desired.common import child
from agentos_operator.desired.pod import hardened_container, hardened_pod, workspace_credentials
from agentos_operator.naming import (
    API_VERSION,
    FIELD_MANAGER,
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
        **hardened_pod(workspace.runtime_class),
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
            *workspace_credentials(),
        ],
        "resources": {
            "requests": {"cpu": "10m", "memory": "64Mi"},
            "limits": {"cpu": "500m", "memory": "128Mi"},
        },
        **hardened_container(),
    }


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
