"""What the operator keeps between a probe's run and the status that tells of it; all else is in the status itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agentos_operator.clients.resolver import Resolver
from agentos_operator.workqueue import Key


@dataclass(frozen=True)
class Place:
    """Where the operator and its API server are, as pods of the cluster would reach them."""

    host: str = ""
    """Address of the operator's own pod; empty outside a cluster."""
    port: int = 8080
    """Port on which it surely listens: that of its liveness probe."""
    api_host: str = ""
    """Address of the Service ``kubernetes``."""
    api_port: int = 443
    resolver: Resolver = field(default_factory=Resolver)
    """Whom the operator's pod asks for names."""


@dataclass(frozen=True)
class Finding:
    """What one run came to."""

    holds: bool | None
    """None when it proves nothing."""
    reason: str
    message: str
    at: datetime
    fingerprint: str
    """Of what isolated the workspace when the run began."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    """By family, how many attempts told something."""
    seconds: float = 0.0
    """From the pod's creation to its result."""
    cpu_seconds: float = 0.0
    """Processor time of the probe."""


def _nobody(_key: Key) -> None:
    """Stands for a verifier where there is none."""


@dataclass
class IsolationMemory:
    """By a Workspace's UID."""

    place: Place = Place()
    request: Callable[[Key], None] = _nobody
    """Ask for a Workspace to be looked at by the verifier."""
    findings: dict[str, Finding] = field(default_factory=dict)
    """Not yet told in a status."""
    suspected: set[str] = field(default_factory=set)
    """A policy of theirs was written since their last run."""
    seen: set[str] = field(default_factory=set)
    """Looked at by the verifier since this operator started, so that nothing of a run that a crash ended remains."""
