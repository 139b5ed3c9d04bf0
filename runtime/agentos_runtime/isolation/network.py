"""Connections that no tenant may open."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from agentos_runtime.isolation.contract import Endpoint
from agentos_runtime.isolation.outcome import Attempt, Control, Outcome

TIMEOUT = 2.0
"""Seconds for one connection; a lost first packet is repeated after one second (RFC 6298, 2.1)."""
SETTLING = 3.0
"""Seconds after which an open way is tried once more: plugins may take a moment to apply policies to a new pod
(https://kubernetes.io/docs/concepts/services-networking/network-policies/#pod-lifecycle)."""
FAMILY = "network"
DNS_NAME = "kubernetes.default.svc"


def try_endpoints(endpoints: Sequence[Endpoint], settling: float = SETTLING) -> list[Attempt]:
    """Try all at once; only a way that is open twice counts as one."""
    if not endpoints:
        return []
    with ThreadPoolExecutor(len(endpoints)) as pool:
        first = list(pool.map(_try, endpoints))
        if not any(attempt.outcome is Outcome.BREACHED for attempt in first):
            return first
        time.sleep(settling)
        again = list(pool.map(_try, endpoints))
    return [second if one.outcome is Outcome.BREACHED else one for one, second in zip(first, again, strict=True)]


def _try(endpoint: Endpoint) -> Attempt:
    name = f"connect to {endpoint.name} at {endpoint.host} port {endpoint.port}"
    try:
        socket.create_connection((endpoint.host, endpoint.port), TIMEOUT).close()
    except OSError as error:
        # Refused counts as well: somebody listens there, so it was a policy that said no.
        outcome = Outcome.HELD if endpoint.up and not isinstance(error, socket.gaierror) else Outcome.ABSENT
        return Attempt(FAMILY, name, outcome, type(error).__name__)
    return Attempt(FAMILY, name, Outcome.BREACHED)


def ask_dns(name: str = DNS_NAME) -> Control:
    """The way to the cluster's DNS is open, as it should be."""
    try:
        socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)
    except OSError as error:
        return Control("the cluster's DNS answers", succeeded=False, detail=type(error).__name__)
    return Control("the cluster's DNS answers", succeeded=True)
