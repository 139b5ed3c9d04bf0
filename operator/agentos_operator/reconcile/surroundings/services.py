"""What a Service of an administrator's Namespace says about where its pods are."""

from __future__ import annotations

from agentos_operator.clients.kinds import SERVICE
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.desired.surroundings import Opening
from agentos_operator.errors import ApiError
from agentos_operator.naming import workspace_of
from agentos_operator.reconcile.surroundings.memory import Problem
from agentos_operator.resources.common import Object
from agentos_operator.settings import PodPeer, ServiceName


async def read_service(kubernetes: Kubernetes, wanted: ServiceName, advice: str) -> Object | Problem:
    """The Service, or why there is nothing to learn from it, with ``advice`` for the administrator."""
    title = f"Service {wanted.namespace}/{wanted.name}"
    if workspace_of(wanted.namespace):
        # Its people could lead the policies of all workspaces wherever they like.
        return Problem(f"{title} is not believed, because it lies in the Namespace of a workspace. {advice}")
    try:
        found = await kubernetes.pick(SERVICE, wanted.name, wanted.namespace)
    except ApiError as error:
        return Problem(f"{title} could not be read: {error}.", certain=False)
    return found or Problem(f"There is no {title}. {advice}")


def opening_of(service: Object, namespace: str, port: int) -> Opening | None:
    """The pods that get what is sent to ``port`` of the Service; None when it does not select its pods itself."""
    spec = service["spec"]
    if not spec.get("selector"):
        return None
    pods = (PodPeer(namespace=namespace, pod_labels=spec["selector"]),)
    return Opening(port, pods=pods, pod_ports=_pod_ports(spec, port))


def miss_port(service: Object, title: str, port: int) -> Problem | None:
    """What to tell of a Service that passes nothing on from ``port``; a headless one has callers reach its pods."""
    spec = service["spec"]
    ports = [each["port"] for each in spec.get("ports", ())]
    if spec.get("clusterIP") == "None" or port in ports:
        return None
    there = ", ".join(str(each) for each in ports) or "none"
    return Problem(
        f"{title} has no port {port}, only {there}: nobody answers there. Name the right port in the chart's "
        "configuration, or have the Service take it."
    )


def _pod_ports(spec: Object, port: int) -> tuple[int | str, ...]:
    """Where the pods listen. Not every network plugin knows a port's name, so its number goes along."""
    if spec.get("clusterIP") == "None":
        return (port,)  # callers reach the pods themselves
    targets = [each.get("targetPort", port) for each in spec.get("ports", ()) if each["port"] == port]
    named = any(isinstance(each, str) for each in targets)
    return tuple(dict.fromkeys([*([port] if named else []), *targets])) or (port,)
