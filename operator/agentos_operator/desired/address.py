"""Under which hosts and which path a deployment is reached; pure, shared by its route, its pods and its status."""

from __future__ import annotations

from dataclasses import dataclass

from agentos_operator.naming import host_of, path_of
from agentos_operator.settings import Routing


@dataclass(frozen=True)
class Address:
    """Where one deployment is reached."""

    hosts: tuple[str, ...]
    """The generated host, and after it the workspace's own host, if the deployment holds one."""
    prefix: str
    """Path below which it is served on each of them, such as ``/acme/support``; empty for the whole host."""

    def url(self, routing: Routing) -> str:
        """The address as callers write it, of the host that people chose rather than the generated one."""
        return routing.url(self.hosts[-1]) + self.prefix


def address_of(deployment: str, workspace: str, routing: Routing, own_host: str | None = None) -> Address:
    """The address of ``deployment`` in ``workspace``; ``own_host`` is a granted host that it holds."""
    own = (own_host,) if own_host else ()
    if routing.addressing == "Path":
        return Address((routing.base_domain, *own), path_of(deployment, workspace))
    return Address((host_of(deployment, workspace, routing.base_domain), *own), "")
