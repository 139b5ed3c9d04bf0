"""Who stands around the workspaces and is let through to or from them: DNS, the gateway's proxies, PostgreSQL servers.

Made here from the configuration alone; ``reconcile.surroundings`` adds what it finds out. ``network_policy`` writes it
down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agentos_operator.naming import workspace_of
from agentos_operator.settings import DatabaseServer, DnsSettings, Gateway, PodPeer, Routing, Settings

ENVOY_GATEWAY_NAMESPACE = "envoy-gateway-system"
"""Where Envoy Gateway is installed and runs the proxies of all Gateways, unless told otherwise."""
_LONGEST_LABEL = 63


@dataclass(frozen=True)
class Opening:
    """One destination, which may be several pods and addresses; without any of them nothing is opened."""

    port: int
    """Port that is called."""
    pods: tuple[PodPeer, ...] = ()
    pod_ports: tuple[int | str, ...] = ()
    """Ports, by number or name, on which the pods get what a Service passes on: policies act after that. Empty for
    ``port``."""
    cidrs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """Everything that the policies of all workspaces have in common."""

    dns: Opening
    gateway: tuple[PodPeer, ...]
    """Pods that forward requests."""
    databases: Mapping[str, Opening]
    """By the name that Workspaces use; all servers of the configuration."""


def configured_surroundings(settings: Settings) -> Surroundings:
    """What the configuration says, and conventions where it says nothing; of a server nobody knows, nothing."""
    return Surroundings(
        dns=_dns(settings.network.dns),
        gateway=_gateway(settings.routing),
        databases={server.name: _database(server) for server in settings.database.servers},
    )


def envoy_labels(gateway: Gateway) -> dict[str, str]:
    """Labels of everything that Envoy Gateway makes for ``gateway``, wherever that is."""
    return {
        "gateway.envoyproxy.io/owning-gateway-name": gateway.name,
        "gateway.envoyproxy.io/owning-gateway-namespace": gateway.namespace,
    }


def standard_labels(gateway: Gateway) -> dict[str, str]:
    """Labels of what other implementations make in the Gateway's own Namespace.

    https://gateway-api.sigs.k8s.io/geps/gep-1762/
    """
    return {"gateway.networking.k8s.io/gateway-name": gateway.name}


def proxies_of(gateway: Gateway) -> tuple[PodPeer, ...]:
    """The pods of ``gateway``, where implementations put them; none when its names are no labels.

    Both Namespaces are administrators'. Labels alone would let anybody in who may make a pod anywhere.
    """
    if max(len(gateway.name), len(gateway.namespace)) > _LONGEST_LABEL or workspace_of(gateway.namespace):
        return ()
    return (
        PodPeer(namespace=gateway.namespace, pod_labels=standard_labels(gateway)),
        PodPeer(namespace=gateway.namespace, pod_labels=envoy_labels(gateway)),
        PodPeer(namespace=ENVOY_GATEWAY_NAMESPACE, pod_labels=envoy_labels(gateway)),
    )


def _gateway(routing: Routing) -> tuple[PodPeer, ...]:
    if routing.source_namespaces:
        return tuple(PodPeer(namespace=namespace) for namespace in routing.source_namespaces)
    return proxies_of(routing.gateway)


def _dns(dns: DnsSettings) -> Opening:
    if not dns.is_given:
        return Opening(dns.port, pods=(PodPeer(namespace="kube-system", pod_labels={"k8s-app": "kube-dns"}),))
    pods = (PodPeer(namespace=dns.namespace, pod_labels=dns.pod_labels),) if dns.namespace else ()
    return Opening(dns.port, pods=pods, cidrs=tuple(str(each) for each in dns.cidrs))


def _database(server: DatabaseServer) -> Opening:
    network = server.network
    if network is None:
        return Opening(server.port)
    return Opening(server.port, pods=(network.pods,) if network.pods else (), cidrs=network.cidrs)
