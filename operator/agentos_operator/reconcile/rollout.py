"""How far a Deployment and a route have come, as aspects of an AgentDeployment's state; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agentos_operator import reasons
from agentos_operator.conditions import SUSPENDED, Aspect, failed, held
from agentos_operator.reconcile.pods import Trouble
from agentos_operator.resources.common import Object
from agentos_operator.settings import Routing

AVAILABLE = "Available"
ROUTE_READY = "RouteReady"
_ADVICE = {
    "exceeded quota": "Raise spec.quota of the Workspace or lower spec.resources.",
    "pod rejected: RuntimeClass": "Create the RuntimeClass, or correct spec.runtimeClassName of the Workspace.",
}
"""What to do, by words of the API server's when it refuses a pod."""


def is_rolled_out(deployment: Object, fewest: int | None = None) -> bool:
    """Whether every pod is of the newest revision and as many answer as are wanted.

    ``fewest`` are enough where an autoscaler decides: what it adds to them is on its way again and again.
    """
    wanted = deployment["spec"]["replicas"]
    status = deployment.get("status", {})
    existing = wanted if fewest is None else status.get("replicas", 0)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("replicas", 0) == existing
        and status.get("updatedReplicas", 0) == existing
        and status.get("availableReplicas", 0) >= (wanted if fewest is None else min(fewest, wanted))
    )


def available_aspect(deployment: Object, trouble: Trouble | None, fewest: int | None = None) -> Aspect:
    """Whether the pods that the spec asks for answer, and if not, why; ``fewest`` as in ``is_rolled_out``."""
    wanted = deployment["spec"]["replicas"]
    if is_rolled_out(deployment, fewest):
        if wanted == 0:
            return failed(AVAILABLE, reasons.SCALED_TO_ZERO, "spec.replicas is 0; raise it to serve again.")
        return held(AVAILABLE, f"{min(deployment['status']['availableReplicas'], wanted)} of {wanted} pods answer.")
    # A pod that could not be made is of the newest revision; those that exist may be of an older one.
    trouble = refused_pod(deployment) or trouble
    serving = _still_serving(deployment)
    if trouble is not None:
        return failed(AVAILABLE, trouble.reason, trouble.message + serving, stalled=trouble.stalled)
    updated = deployment.get("status", {}).get("updatedReplicas", 0)
    return failed(AVAILABLE, reasons.PROGRESSING, f"{updated} of {wanted} pods are of the newest revision.{serving}")


def stopped_aspect(deployment: Object, pods: Sequence[Object], suspension: str) -> Aspect:
    """Whether no pod of a suspended deployment is left; ``suspension`` tells who wants that.

    A Deployment's status no longer counts a pod that is about to end, which serves its open streams meanwhile.
    """
    left = [
        pod["metadata"]["name"] for pod in pods if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
    ]
    if is_rolled_out(deployment) and not left:
        return held(SUSPENDED, f"No pod runs: {suspension}", reasons.SUSPENDED)
    return failed(SUSPENDED, reasons.STOPPING, f"Pods are still to stop ({len(left)}): {suspension}")


def refused_pod(deployment: Object) -> Trouble | None:
    """Why no further pod of a Deployment could be made, if so."""
    for condition in deployment.get("status", {}).get("conditions", ()):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            message = condition["message"]
            reason = reasons.QUOTA_EXCEEDED if "exceeded quota" in message else reasons.POD_REFUSED
            advice = next((words for sign, words in _ADVICE.items() if sign in message), "")
            return Trouble(reason, f"No pod could be made: {message}. {advice}".strip(), stalled=True)
    return None


def _still_serving(deployment: Object) -> str:
    ready = deployment.get("status", {}).get("readyReplicas", 0)
    return f" {ready} pods answer meanwhile." if ready else ""


def route_aspect(route: Object | None, routing: Routing) -> Aspect:
    """Whether a gateway has accepted the route; ``route`` is None when its kind does not exist."""
    if route is None:
        return failed(
            ROUTE_READY,
            reasons.GATEWAY_API_ABSENT,
            "The cluster has no HTTPRoute (gateway.networking.k8s.io/v1). Install a Gateway API implementation, or "
            "set routing.mode of the operator's configuration to Ingress.",
            stalled=True,
        )
    if routing.mode == "Ingress":
        return _ingress_aspect(route, routing)
    gateway = {"name": routing.gateway.name, "namespace": routing.gateway.namespace}
    parents = [
        each for each in route.get("status", {}).get("parents", ()) if gateway.items() <= each["parentRef"].items()
    ]
    if any(_accepted(parent, route["metadata"]["generation"]) for parent in parents):
        return held(ROUTE_READY, "The Gateway has accepted the route.")
    return failed(ROUTE_READY, reasons.ROUTE_NOT_ACCEPTED, _why_not(route, parents))


def _ingress_aspect(ingress: Object, routing: Routing) -> Aspect:
    """An Ingress has no conditions; that a controller took it shows in the address that it published."""
    if ingress.get("status", {}).get("loadBalancer", {}).get("ingress"):
        return held(ROUTE_READY, "The Ingress controller has published an address for the Ingress.")
    name = routing.ingress.class_name
    which = f"IngressClass {name}" if name else "the cluster's default IngressClass"
    return failed(
        ROUTE_READY,
        reasons.ROUTE_NOT_ACCEPTED,
        f"No controller has published an address in the Ingress's status.loadBalancer; see that {which} has a running "
        "controller, and that it is told to publish its address.",
    )


def _accepted(parent: Object, generation: int) -> bool:
    """Whether this Gateway has accepted the route as it is now; what it said of an earlier one is no answer."""
    current = [
        each for each in parent.get("conditions", ()) if each.get("observedGeneration", generation) >= generation
    ]
    states = {condition["type"]: condition["status"] for condition in current}
    return states.get("Accepted") == "True" and states.get("ResolvedRefs", "True") == "True"


def _why_not(route: Object, parents: Iterable[Object]) -> str:
    said = [
        condition["message"]
        for parent in parents
        for condition in parent.get("conditions", ())
        if condition["status"] == "False"
    ]
    gateway = route["spec"]["parentRefs"][0]
    where = f"{gateway['namespace']}/{gateway['name']}"
    if said:
        return f"Gateway {where} does not accept the route: {' '.join(said)}"
    return f"No controller has answered for Gateway {where}; see that the Gateway exists and is Programmed."
