"""One entry of a deployment's history, in the kind that StatefulSets and DaemonSets keep theirs in.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/controller-revision-v1/
"""

from __future__ import annotations

from agentos_operator.desired.common import child
from agentos_operator.naming import deployment_labels, digest
from agentos_operator.resources.agent_deployment import AgentDeployment
from agentos_operator.resources.common import Object


def revision_name(deployment: AgentDeployment) -> str:
    """It tells the content, so what was there before is found again."""
    return f"{deployment.name}-{digest(deployment.rolled)}"


def build_revision(deployment: AgentDeployment, workspace: str, number: int) -> Object:
    """What ``deployment`` says now, as its revision ``number``; the API server lets nobody change the data."""
    labels = deployment_labels(deployment.name, workspace)
    name, owner = revision_name(deployment), deployment.owner
    revision = child("apps/v1", "ControllerRevision", name, deployment.namespace, labels, owner)
    revision["data"] = {"spec": dict(deployment.rolled)}
    revision["revision"] = number
    return revision
