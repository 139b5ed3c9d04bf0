"""Which addresses a set of keys may be fetched from: public ones, unless the host is a Service of the cluster.

Whoever writes a Workspace chooses the URI, and DNS chooses the address: neither may lead a runtime to its own loopback,
to a cloud's metadata or to a neighbour. The host's name decides what it may resolve to; the connection then goes to the
address that was looked at, so that a second answer of DNS changes nothing.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address
_METADATA = frozenset(map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
_NAT64 = ip_network("64:ff9b::/96")


class Reach(Enum):
    """What a host may resolve to."""

    PUBLIC = "public"
    """Addresses of the Internet."""
    CLUSTER = "cluster"
    """Addresses of Services and pods as well; for names of Services."""
    LOOPBACK = "loopback"
    """This machine; for `localhost` on a laptop."""


def reach_of(host: str, *, laptop: bool) -> Reach:
    """What the name of a host says about where it may lead."""
    if laptop and host == "localhost":
        return Reach.LOOPBACK
    return Reach.CLUSTER if host.endswith((".svc", ".svc.cluster.local")) else Reach.PUBLIC


def may_call(address: str, reach: Reach) -> bool:
    """Whether an address that a name resolved to may be connected to."""
    found = _innermost(ip_address(address.partition("%")[0]))
    if reach is Reach.LOOPBACK:
        return found.is_loopback
    if found in _METADATA or found.is_multicast or found.is_unspecified or found.is_loopback or found.is_link_local:
        return False
    return found.is_global or (reach is Reach.CLUSTER and not found.is_reserved)


def _innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address
