"""Whether the replicas of a deployment behave as one. Told, and never in the way of Ready: a request that is
answered in one piece is served alike by any replica."""

from __future__ import annotations

from dataclasses import replace

from agentos_operator import reasons
from agentos_operator.conditions import Aspect, failed, held
from agentos_operator.resources.agent_deployment import AgentDeployment

REPLICAS_COORDINATED = "ReplicasCoordinated"


def coordination_aspects(deployment: AgentDeployment) -> list[Aspect]:
    """Nothing about a single replica, which has nobody to agree with."""
    if deployment.most_replicas < 2:
        return []
    limits = (
        f"spec.limits count in each pod: a user may have up to {deployment.most_replicas} times as many requests"
        " and runs in the foreground."
    )
    if deployment.redis:
        message = f"Replicas cancel and resume each other's runs through spec.events.redis. {limits}"
        return [replace(held(REPLICAS_COORDINATED, message), required=False)]
    number = f"up to {deployment.most_replicas}" if deployment.autoscaling else deployment.replicas
    message = (
        f"With {number} replicas and no spec.events.redis, a request to cancel or to resume a run works"
        f" only on the replica that the run is on. Set spec.events.redis, or have one replica only. {limits}"
    )
    return [replace(failed(REPLICAS_COORDINATED, reasons.NO_REDIS, message), required=False)]
