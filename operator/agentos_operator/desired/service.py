"""The stable address of a deployment inside the cluster, and the bound on how many pods may leave at once."""

from __future__ import annotations

from agentos_operator.desired.common import child
from agentos_operator.naming import METRICS_PORT, deployment_labels, pod_selector
from agentos_operator.resources.agent_deployment import AgentDeployment
from agentos_operator.resources.common import Object

SERVICE_PORT = 80


def build_service(deployment: AgentDeployment, workspace: str) -> Object:
    """A Service on port 80, to which only the gateway's pods are let through, and a port for metrics.

    ServiceMonitors find the pods by it; what reads the Service's address would get one pod's figures.
    """
    labels = deployment_labels(deployment.name, workspace)
    service = child("v1", "Service", deployment.name, deployment.namespace, labels, deployment.owner)
    service["spec"] = {
        "type": "ClusterIP",
        "selector": pod_selector(deployment.name),
        "ports": [
            {
                "name": "http",
                "port": SERVICE_PORT,
                "targetPort": "http",
                "protocol": "TCP",
                "appProtocol": "http",
            },
            {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"},
        ],
    }
    return service


def build_disruption_budget(deployment: AgentDeployment, workspace: str) -> Object:
    """One pod at a time; ``minAvailable`` would block the drain of a node that holds the only replica."""
    labels = deployment_labels(deployment.name, workspace)
    budget = child("policy/v1", "PodDisruptionBudget", deployment.name, deployment.namespace, labels, deployment.owner)
    budget["spec"] = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": pod_selector(deployment.name)},
        # A pod that does not answer anyway must not keep a node from being drained (KEP-3017).
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return budget
