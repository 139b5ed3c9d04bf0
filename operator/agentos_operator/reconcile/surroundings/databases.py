"""Where a PostgreSQL server of the configuration stands: behind a Service of the cluster, or at addresses."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.clients.resolver import Resolver, addresses_of, is_address
from agentos_operator.desired.surroundings import Opening
from agentos_operator.reconcile.surroundings.memory import Answer, Problem
from agentos_operator.reconcile.surroundings.services import miss_port, opening_of, read_service
from agentos_operator.resources.common import Object
from agentos_operator.settings import DatabaseServer, ServiceName

MOST_ADDRESSES = 32
"""Of one server; a name with more is no server's."""
_MOST_ALIASES = 1
"""Services of type ExternalName that are followed one after the other; they could lead in a circle."""
_METADATA_IPV6 = ip_address("fd00:ec2::254")


async def find_database(kubernetes: Kubernetes, resolver: Resolver, server: DatabaseServer) -> Answer:
    """What the server's ``host`` leads to."""
    advice = f"Set network of database.servers[{server.name}] in the chart."
    host = server.host
    for _ in range(1 + _MOST_ALIASES):
        wanted = service_of(host, resolver.cluster_domain)
        if wanted is None:
            return await _by_name(host, server.port, advice)
        service = await read_service(kubernetes, wanted, advice)
        if isinstance(service, Problem):
            return Answer(None, service)
        if "externalName" not in service["spec"]:
            return _by_service(service, wanted, server.port, advice)
        host = service["spec"]["externalName"]
    return Answer(None, Problem(f"{server.host} is an alias of an alias, which is not followed. {advice}"))


def service_of(host: str, cluster_domain: str) -> ServiceName | None:
    """The Service that ``host`` names, such as ``postgres.databases.svc``, if it names one.

    A pod's name may stand before it, the cluster's domain behind it. Anything else behind it makes it a name of the
    world outside.
    """
    name = host.rstrip(".").removesuffix(f".{cluster_domain}")
    parts = name.removesuffix(".svc").split(".")
    if name == host.rstrip(".") and not name.endswith(".svc"):
        return None
    return ServiceName(namespace=parts[-1], name=parts[-2]) if name.endswith(".svc") and len(parts) > 1 else None


def _by_service(service: Object, wanted: ServiceName, port: int, advice: str) -> Answer:
    title = f"Service {wanted.namespace}/{wanted.name}"
    opening = opening_of(service, wanted.namespace, port)
    if opening is None:
        return Answer(None, Problem(f"{title} selects no pods. {advice}"))
    return Answer(opening, miss_port(service, title, port))


async def _by_name(host: str, port: int, advice: str) -> Answer:
    found = frozenset({host}) if is_address(host) else await addresses_of(host)
    usable = sorted(each for each in found if _is_believed(each))
    if not found:
        return Answer(None, Problem(f"{host} has no address now.{_hint(host)}", certain=False))
    if not usable:
        addresses = ", ".join(sorted(found))
        return Answer(None, Problem(f"{host} has no address that pods could reach: {addresses}. {advice}"))
    if len(usable) > MOST_ADDRESSES:
        return Answer(None, Problem(f"{host} has {len(usable)} addresses, more than one server has. {advice}"))
    return Answer(Opening(port, cidrs=tuple(f"{each}/{ip_address(each).max_prefixlen}" for each in usable)))


def _hint(host: str) -> str:
    """What else a short name may have been meant for: the operator's search list is no tenant's."""
    return " If it is a Service, call it <name>.<namespace>.svc." if host.count(".") < 2 else ""


def _is_believed(text: str) -> bool:
    """Whether a server can be there: not the pod itself, not the node's link, which holds cloud metadata."""
    try:
        address = ip_address(text)
    except ValueError:
        return False  # such as an address with a zone
    inward = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    return not inward and not mapped and address != _METADATA_IPV6
