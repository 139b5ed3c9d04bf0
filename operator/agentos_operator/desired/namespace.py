"""The workspace's Namespace, with Pod Security Standard ``restricted`` enforced.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from agentos_operator.desired.common import child
from agentos_operator.naming import PREVENT_DELETION_LABEL, workspace_labels
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace

POD_SECURITY_VERSION = "v1.31"
"""Pinned, so that upgrading the cluster does not tighten the rules under running pods."""


def build_namespace(workspace: Workspace) -> Object:
    """The Namespace ``ws-<name>``, owned by its Workspace."""
    labels = workspace_labels(workspace.name)
    for mode in ("enforce", "warn", "audit"):
        labels[f"pod-security.kubernetes.io/{mode}"] = "restricted"
        labels[f"pod-security.kubernetes.io/{mode}-version"] = POD_SECURITY_VERSION
    if workspace.prevent_deletion:
        labels[PREVENT_DELETION_LABEL] = "true"
    return child("v1", "Namespace", workspace.namespace, None, labels, workspace.owner)
