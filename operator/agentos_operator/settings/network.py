"""Where DNS is and what else NetworkPolicies must know about the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network

from pydantic import model_validator

from agentos_operator.settings.section import Name, Port, Section


class PodPeer(Section):
    """Pods that a NetworkPolicy names: those of one namespace, narrowed by labels."""

    namespace: Name
    """Name of the pods' Namespace."""
    pod_labels: Mapping[str, str] = {}
    """Labels they carry; empty for all pods of the namespace."""


class ServiceName(Section):
    """A Service of the cluster."""

    namespace: Name
    """Its Namespace."""
    name: Name
    """Its name."""


class DnsSettings(Section):
    """Where pods ask for names: what is given here, or where ``service`` leads."""

    service: ServiceName = ServiceName(namespace="kube-system", name="kube-dns")
    """The Service in front of the cluster's DNS pods."""
    namespace: Name | None = None
    """Namespace of the DNS pods."""
    pod_labels: Mapping[str, str] = {}
    """Labels of the DNS pods; empty for all pods of ``namespace``."""
    cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    """Addresses of resolvers that are no pods, such as a cache on each node."""
    port: Port = 53
    """Port on which they listen."""

    @model_validator(mode="after")
    def _narrows_a_namespace(self) -> DnsSettings:
        if self.pod_labels and self.namespace is None:
            raise ValueError("podLabels narrows a namespace: give namespace too")
        return self

    @property
    def is_given(self) -> bool:
        """Whether nothing is left to find out."""
        return self.namespace is not None or bool(self.cidrs)


class NetworkSettings(Section):
    """What NetworkPolicies must know about the cluster."""

    dns: DnsSettings = DnsSettings()
    """The cluster's DNS."""
    closed_cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    """Public addresses that workspaces do not reach all the same, such as those of the API server."""
    operator: PodPeer | None = None
    """The operator's own pods, which ask runtimes for their state; None outside a cluster."""
    metrics: PodPeer | None = None
    """The pods that may read the runtimes' metrics; None for nobody."""
