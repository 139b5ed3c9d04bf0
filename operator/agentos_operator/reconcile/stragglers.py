"""Pods that were started with earlier credentials: as long as there is one, these must work.

A container reads its Secret when it starts, so only pods that exist when the Secret has changed can have earlier
values; the annotation that they carry tells, and those that are ending count until they have ended. What happens to
labels and annotations in a tenant's namespace is the tenant's doing and hurts nobody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, POD
from agentos_operator.desired.deployment import pods_id_annotation
from agentos_operator.naming import INSTANCE_LABEL, NAME_LABEL, RUNTIME_NAME
from agentos_operator.reconcile.context import Context
from agentos_operator.resources.common import Object

_ENDED = ("Succeeded", "Failed")
_LONGEST = 5
"""Deployments that a message names."""


@dataclass(frozen=True)
class Stragglers:
    """What still uses earlier credentials."""

    pods: int
    text: str
    """Which deployments' pods they are, and why they stay as far as that is known."""


async def find_stragglers(context: Context, namespace: str, purpose: str, current: str) -> Stragglers | None:
    """Pods in ``namespace`` whose id for ``purpose`` is not ``current``; None when there is none."""
    pods = await context.kubernetes.list(POD, namespace, {NAME_LABEL: RUNTIME_NAME})
    left = straggling(pods, purpose, current)
    if not left:
        return None
    deployments = await context.kubernetes.list(AGENT_DEPLOYMENT, namespace, {})
    return Stragglers(len(left), describe(left, deployments))


def straggling(pods: Sequence[Object], purpose: str, current: str) -> list[Object]:
    """Those of ``pods`` that run on with other credentials; pods that carry no id at all are not ours."""
    annotation = pods_id_annotation(purpose)
    return [
        pod
        for pod in pods
        if pod["metadata"].get("annotations", {}).get(annotation, current) != current
        and pod.get("status", {}).get("phase") not in _ENDED
    ]


def describe(pods: Sequence[Object], deployments: Sequence[Object]) -> str:
    """``support (2 pods; its newest pods: ImagePullFailed)`` for each deployment."""
    trouble = {each["metadata"]["name"]: _trouble(each) for each in deployments}
    counted = Counter(pod["metadata"].get("labels", {}).get(INSTANCE_LABEL, "?") for pod in pods)
    texts = [_text(name, number, trouble.get(name, "")) for name, number in sorted(counted.items())]
    more = len(texts) - _LONGEST
    return ", ".join(texts[:_LONGEST]) + (f" and {more} more deployments" if more > 0 else "")


def _text(name: str, number: int, trouble: str) -> str:
    return f"{name} ({number} {'pod' if number == 1 else 'pods'}{trouble})"


def _trouble(deployment: Object) -> str:
    """Why it is not ready, in one word; its own conditions tell more."""
    for condition in deployment.get("status", {}).get("conditions", ()):
        if condition["type"] == "Ready" and condition["status"] != "True":
            return f"; the AgentDeployment is not ready: {condition['reason']}"
    return ""
