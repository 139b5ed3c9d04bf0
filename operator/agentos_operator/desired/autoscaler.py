"""The HorizontalPodAutoscaler of a deployment that has ``spec.autoscaling``."""

from __future__ import annotations

from agentos_operator.desired.common import child
from agentos_operator.naming import deployment_labels
from agentos_operator.resources.agent_deployment import AgentDeployment, Autoscaling
from agentos_operator.resources.common import Object

ACTIVE_RUNS = "agentos_active_runs"
"""The runtime's own gauge, as docs/scaling.md has it published in the custom metrics API."""


def build_autoscaler(deployment: AgentDeployment, workspace: str) -> Object | None:
    """It scales the Deployment itself, and so goes on while no operator runs; None where nobody asks for one."""
    autoscaling = deployment.autoscaling
    if autoscaling is None:
        return None
    labels = deployment_labels(deployment.name, workspace)
    built = child(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        deployment.name,
        deployment.namespace,
        labels,
        deployment.owner,
    )
    built["spec"] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.name},
        "minReplicas": autoscaling.min_replicas,
        "maxReplicas": autoscaling.max_replicas,
        "metrics": _metrics(autoscaling),
    }
    return built


def _metrics(autoscaling: Autoscaling) -> list[Object]:
    """In the order in which a reader meets the fields; of several, the one that needs most pods counts."""
    metrics: list[Object] = []
    if autoscaling.cpu_percent is not None:
        target = {"type": "Utilization", "averageUtilization": autoscaling.cpu_percent}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if autoscaling.active_runs is not None:
        target = {"type": "AverageValue", "averageValue": _average(autoscaling.active_runs)}
        metrics.append({"type": "Pods", "pods": {"metric": {"name": ACTIVE_RUNS}, "target": target}})
    return metrics


def _average(runs: int) -> str:
    """The quantity as the API server stores it; in another form each apply would write the autoscaler anew.

    https://pkg.go.dev/k8s.io/apimachinery/pkg/api/resource#Quantity
    """
    return f"{runs // 1000}k" if runs % 1000 == 0 else str(runs)
