"""A workspace's network: closed in both directions, then opened one destination at a time.

NetworkPolicies add up (https://kubernetes.io/docs/concepts/services-networking/network-policies/), so the policy
that denies stays untouched whatever the other one allows. A port is never opened without a destination: a rule whose
list of peers is empty admits everybody, so what has no peers gets no rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from agentos_operator.desired.common import child
from agentos_operator.desired.surroundings import Opening, Surroundings
from agentos_operator.naming import METRICS_PORT, NAME_LABEL, PROBE_NAME, RUNTIME_NAME, RUNTIME_PORT, workspace_labels
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import EgressRule, Workspace
from agentos_operator.settings import PodPeer, Settings

# Everything that is not the public internet: RFC 6890's special-purpose ranges, which hold cluster networks,
# cloud metadata (169.254.169.254) and carrier-grade NAT.
PRIVATE_IPV4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
PUBLIC_IPV6 = "2000::/3"
"""Global unicast; private (fc00::/7, which holds fd00:ec2::254) and link-local ranges lie outside it."""


def build_default_deny(workspace: Workspace) -> Object:
    """Selects every pod and allows nothing."""
    policy = _policy("agentos-default-deny", workspace)
    policy["spec"] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return policy


def build_openings(workspace: Workspace, surroundings: Surroundings, settings: Settings) -> Object:
    """The openings that a runtime needs, and those that the Workspace grants."""
    policy = _policy("agentos-openings", workspace)
    policy["spec"] = {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            *_from_gateway(surroundings.gateway),
            _from_probe(workspace),
            *(_to_metrics(peer) for peer in (settings.network.operator, settings.network.metrics) if peer),
        ],
        "egress": [
            *_to(surroundings.dns, "UDP", "TCP"),
            *_to(surroundings.databases[workspace.database.server], "TCP"),
            {"to": _public_addresses(settings.network.closed_cidrs)},
            *(_granted(rule) for rule in workspace.egress),
        ],
    }
    return policy


def build_probe_opening(workspace: Workspace) -> Object:
    """Lets the isolation probe ask this workspace's own runtimes, beside what every pod here may do."""
    policy = _policy(PROBE_NAME, workspace)
    policy["spec"] = {
        "podSelector": {"matchLabels": {NAME_LABEL: PROBE_NAME}},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [{"to": [_own_pods(workspace, RUNTIME_NAME)], "ports": [_port("TCP", RUNTIME_PORT)]}],
    }
    return policy


def _policy(name: str, workspace: Workspace) -> Object:
    labels = workspace_labels(workspace.name)
    return child("networking.k8s.io/v1", "NetworkPolicy", name, workspace.namespace, labels, workspace.owner)


def _from_gateway(proxies: Iterable[PodPeer]) -> list[Object]:
    peers = [_pods(each) for each in proxies]
    return [{"from": peers, "ports": [_port("TCP", RUNTIME_PORT)]}] if peers else []


def _from_probe(workspace: Workspace) -> Object:
    return {"from": [_own_pods(workspace, PROBE_NAME)], "ports": [_port("TCP", RUNTIME_PORT)]}


def _to_metrics(peer: PodPeer) -> Object:
    """For the operator, which asks for a runtime's state, and for the platform's Prometheus."""
    return {"from": [_pods(peer)], "ports": [_port("TCP", METRICS_PORT)]}


def _own_pods(workspace: Workspace, name: str) -> Object:
    return _pods(PodPeer(namespace=workspace.namespace, pod_labels={NAME_LABEL: name}))


def _to(opening: Opening, *protocols: str) -> list[Object]:
    """Pods and addresses apart, because pods may listen on another port than the one that is called."""
    destinations: list[tuple[list[Object], Iterable[int | str]]] = [
        ([_pods(each) for each in opening.pods], opening.pod_ports or (opening.port,)),
        ([{"ipBlock": {"cidr": each}} for each in opening.cidrs], (opening.port,)),
    ]
    return [
        {"to": peers, "ports": [_port(protocol, number) for number in numbers for protocol in protocols]}
        for peers, numbers in destinations
        if peers
    ]


def _public_addresses(closed: Iterable[IPv4Network | IPv6Network]) -> list[Object]:
    """The internet without ``closed``; of these, what lies outside is closed anyhow and cannot be named here."""
    ipv4 = [str(each) for each in closed if each.version == 4 and str(each) not in PRIVATE_IPV4]
    ipv6 = [str(each) for each in closed if each.version == 6 and each.subnet_of(IPv6Network(PUBLIC_IPV6))]
    return [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": [*PRIVATE_IPV4, *ipv4]}},
        {"ipBlock": {"cidr": PUBLIC_IPV6, **({"except": ipv6} if ipv6 else {})}},
    ]


def _granted(rule: EgressRule) -> Object:
    if rule.namespace is None:
        peer: Object = {"ipBlock": {"cidr": rule.cidr}}
    else:
        peer = _pods(PodPeer(namespace=rule.namespace, pod_labels=rule.pod_labels))
    return {"to": [peer], "ports": [_port(port.protocol, port.port) for port in rule.ports]}


def _pods(peer: PodPeer) -> Object:
    # Every Namespace carries this label, set by the API server, so nobody can pose as another one.
    selector: Object = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": peer.namespace}}}
    if peer.pod_labels:
        selector["podSelector"] = {"matchLabels": dict(peer.pod_labels)}
    return selector


def _port(protocol: str, number: int | str) -> Object:
    return {"protocol": protocol, "port": number}
