"""Names and their addresses, as the operator's own pod is told them; pods of workspaces are told the same."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

TIMEOUT = 3.0
"""Seconds until a name counts as one that cannot be resolved now."""


@dataclass(frozen=True)
class Resolver:
    """What ``/etc/resolv.conf`` of the operator's pod says; nothing outside of a cluster."""

    nameservers: tuple[str, ...] = ()
    """Addresses that are asked."""
    cluster_domain: str = "cluster.local"
    """Behind the names of Services."""


def read_resolver(path: Path) -> Resolver:
    """The resolver that the file ``path`` describes (https://man7.org/linux/man-pages/man5/resolv.conf.5.html)."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError):
        return Resolver()
    nameservers = tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")
    search = [word for words in lines if words[:1] == ["search"] for word in words[1:]]
    domains = [each.removeprefix("svc.").rstrip(".") for each in search if each.startswith("svc.")]
    return Resolver(nameservers, *domains[:1])


async def addresses_of(host: str) -> frozenset[str]:
    """All addresses of ``host``; none when it has none, or cannot be resolved now.

    A name with a dot is taken as it is: the search list of a pod would put the cluster's own domains behind it first.
    """
    absolute = f"{host.rstrip('.')}." if "." in host else host
    try:
        async with asyncio.timeout(TIMEOUT):
            found = await asyncio.get_running_loop().getaddrinfo(absolute, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # TimeoutError is an OSError
        return frozenset()
    return frozenset(str(each[4][0]) for each in found)


def is_address(host: str) -> bool:
    """Whether ``host`` is an address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
