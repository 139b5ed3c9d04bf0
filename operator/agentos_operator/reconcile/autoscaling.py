"""``spec.autoscaling``: hands the number of pods over to an autoscaler, and tells whether that one works.

Called by ``reconcile.agent_deployment``. What is told is never in the way of Ready: the pods that there are answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from agentos_operator import reasons
from agentos_operator.autoscalers import scaling_conditions
from agentos_operator.clients.kinds import AUTOSCALER, DEPLOYMENT
from agentos_operator.conditions import Aspect, failed, held
from agentos_operator.desired.quota import QuotaFault, merge_quota
from agentos_operator.naming import FIELD_MANAGER, SCALING_MANAGER
from agentos_operator.reconcile.attempt import attempt
from agentos_operator.reconcile.children import Children
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.rollout import AVAILABLE, refused_pod
from agentos_operator.resources.agent_deployment import AgentDeployment, Autoscaling
from agentos_operator.resources.common import Object, is_controlled_by, quantity
from agentos_operator.resources.workspace import parse_workspace
from agentos_operator.settings import QuotaProfile

AUTOSCALING_ACTIVE = "AutoscalingActive"


@dataclass(frozen=True)
class Scaled:
    """A Deployment whose number of pods is an autoscaler's from now on."""

    live: Object
    was_available: bool
    """When it was last looked at."""

    def as_far_as_observed(self, live: Object, changed: AbstractSet[str]) -> Object:
        """The Deployment as it is, but for a number of pods that nobody has acted on yet.

        Such a number makes a new generation as a new revision does, and would end Available each time for a moment.
        A change of ours does end it, and stands in status by the time of the next look.
        """
        if not self.was_available or DEPLOYMENT.kind in changed:
            return live
        observed = live.get("status", {}).get("observedGeneration", 0)
        return {**live, "metadata": {**live["metadata"], "generation": observed}}


async def find_scaled(context: Context, body: Object, deployment: AgentDeployment) -> Scaled | None:
    """The Deployment of ``body`` that an autoscaler scales; None while the operator must say a number."""
    if deployment.autoscaling is None:
        return None
    live = await context.kubernetes.find(DEPLOYMENT, deployment.name, deployment.namespace)
    if live is None or not is_controlled_by(live, deployment.meta.uid) or not live["spec"]["replicas"]:
        return None
    said = body.get("status", {}).get("conditions", ())
    return Scaled(live, any(each["type"] == AVAILABLE and each["status"] == "True" for each in said))


async def let_go_of_replicas(context: Context, live: Object) -> None:
    """Have another manager hold the number of pods as it is, where the operator alone does.

    A field that its only owner no longer sends is set to its default, which would be one pod
    (https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership). The autoscaler's first
    write takes it from that other manager, which never writes again.
    """
    if not _owns_replicas(live):
        return
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", "uid")}
    body = {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": metadata,
        "spec": {"replicas": live["spec"]["replicas"]},
    }
    await context.kubernetes.apply(body, manager=SCALING_MANAGER)


def _owns_replicas(live: Object) -> bool:
    return any(
        entry["manager"] == FIELD_MANAGER
        and entry["operation"] == "Apply"
        and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in live["metadata"].get("managedFields", ())
    )


@dataclass(frozen=True)
class Scaling:
    """What an autoscaler is told and judged by."""

    context: Context
    children: Children
    deployment: AgentDeployment
    desired: Object | None
    """The autoscaler as it should be; None for none."""

    async def aspects(self, workload: Object | None, workspace: Object) -> list[Aspect]:
        """Make the autoscaler of the Deployment ``workload`` so, or take it away.

        What holds of it, and nothing where there is none.
        """
        place = (self.deployment.namespace, self.deployment.name)
        if self.desired is not None:
            aspect = await attempt(AUTOSCALING_ACTIVE, self._ensure(self.desired, workload, workspace))
            return [replace(aspect, required=False)]
        if place not in self.context.autoscalers:
            return []
        aspect = await attempt(AUTOSCALING_ACTIVE, self._remove())
        return [] if aspect.holds else [replace(aspect, required=False)]

    async def _ensure(self, desired: Object, workload: Object | None, workspace: Object) -> Aspect:
        await self.children.apply(desired)
        live = await self.context.kubernetes.get(AUTOSCALER, self.deployment.name, self.deployment.namespace)
        quota = merge_quota(parse_workspace(workspace).quota, self.context.settings.quota.profiles)
        return autoscaling_aspect(self.deployment, live, workload, None if isinstance(quota, QuotaFault) else quota)

    async def _remove(self) -> Aspect:
        await self.children.remove(AUTOSCALER, self.deployment.name, self.deployment.namespace)
        return held(AUTOSCALING_ACTIVE, "There is no autoscaler.")


def autoscaling_aspect(
    deployment: AgentDeployment, autoscaler: Object, workload: Object | None, quota: QuotaProfile | None
) -> Aspect:
    """Whether the number of pods follows what is asked of them, and can follow all the way; pure."""
    problem = next(_problems(deployment, autoscaler, workload, quota), None)
    if problem is not None:
        return problem
    said = {each["type"]: each for each in scaling_conditions(autoscaler)}
    if said.get("ScalingActive", {}).get("status") != "True":
        message = "The HorizontalPodAutoscaler has not looked at the pods yet."
        return Aspect(AUTOSCALING_ACTIVE, None, reasons.WAITING, message)
    return held(AUTOSCALING_ACTIVE, f"The number of pods follows its targets{_bounds(deployment.autoscaling)}.")


def _problems(
    deployment: AgentDeployment, autoscaler: Object, workload: Object | None, quota: QuotaProfile | None
) -> Iterator[Aspect]:
    for each in scaling_conditions(autoscaler):
        if each["status"] == "False":
            text = f"The HorizontalPodAutoscaler says {each['reason']}: {each['message']}"
            yield failed(AUTOSCALING_ACTIVE, reasons.NOT_SCALING, text)
    if workload and (refused := refused_pod(workload)):
        yield failed(AUTOSCALING_ACTIVE, refused.reason, refused.message)
    room = room_for(deployment, quota) if quota else None
    if room is not None and room <= deployment.most_replicas:
        text = (
            f"The Workspace's whole quota has room for {room} pods like this deployment's; maxReplicas is"
            f" {deployment.most_replicas}, and a roll-out needs one more. Lower maxReplicas or spec.resources, or raise"
            " spec.quota of the Workspace."
        )
        yield failed(AUTOSCALING_ACTIVE, reasons.QUOTA_TOO_SMALL, text)


def room_for(deployment: AgentDeployment, quota: QuotaProfile) -> int:
    """How many pods of ``deployment`` would fit into ``quota`` if it were alone there."""
    resources = deployment.resources
    rooms = [quota.pods]
    for allowed, each in ((quota.requests, resources.requests), (quota.limits, resources.limits)):
        rooms += [int(quantity(str(getattr(allowed, unit))) // quantity(each[unit])) for unit in ("cpu", "memory")]
    return min(rooms)


def _bounds(autoscaling: Autoscaling | None) -> str:
    return f" between {autoscaling.min_replicas} and {autoscaling.max_replicas}" if autoscaling else ""
