"""Where pods of the cluster ask for names: the pods behind the DNS Service, and a cache on each node."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.clients.resolver import Resolver
from agentos_operator.desired.surroundings import Opening
from agentos_operator.reconcile.surroundings.memory import Answer, Problem
from agentos_operator.reconcile.surroundings.services import opening_of, read_service
from agentos_operator.resources.common import Object
from agentos_operator.settings import ServiceName

PORT = 53
_NODE_CACHES = ip_network("169.254.0.0/16")
"""Link-local addresses, of which NodeLocal DNSCache takes one
(https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/)."""
_CLOUDS = ip_network("169.254.169.0/24")
"""Where clouds put their metadata servers, some of which answer DNS too."""
_ADVICE = "Set network.dns of the chart."


async def find_dns(kubernetes: Kubernetes, resolver: Resolver, wanted: ServiceName) -> Answer:
    """What ``wanted`` and the operator's own resolver lead to."""
    service = await read_service(kubernetes, wanted, _ADVICE)
    if isinstance(service, Problem):
        return Answer(None, service)
    opening = opening_of(service, wanted.namespace, PORT)
    if opening is None:
        return Answer(None, Problem(f"Service {wanted.namespace}/{wanted.name} selects no pods. {_ADVICE}"))
    believed = [each for each in resolver.nameservers if _is_believed(each, service)]
    others = [each for each in resolver.nameservers if each not in believed]
    problem = Problem(
        f"The operator's own pod asks {', '.join(others)}, which is neither Service "
        f"{wanted.namespace}/{wanted.name} nor a cache on the node, so pods may have no DNS. {_ADVICE}"
    )
    # The Service's own address matters where a cache on each node answers for it, before it leads anywhere.
    cidrs = tuple(f"{each}/{ip_address(each).max_prefixlen}" for each in believed)
    return Answer(Opening(PORT, opening.pods, opening.pod_ports, cidrs), problem if others else None)


def _is_believed(nameserver: str, service: Object) -> bool:
    spec = service["spec"]
    if nameserver in (spec.get("clusterIP"), *spec.get("clusterIPs", ())):
        return True
    try:
        address = ip_address(nameserver)
    except ValueError:
        return False  # such as an address with a zone
    return address in _NODE_CACHES and address not in _CLOUDS
