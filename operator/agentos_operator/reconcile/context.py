"""What every reconciliation works with; made once by ``main`` when the operator starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agentos_operator.autoscalers import Autoscalers
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.clients.postgres import PostgresServer, Retained
from agentos_operator.desired.surroundings import configured_surroundings
from agentos_operator.ledger import Ledger
from agentos_operator.looks import Looks
from agentos_operator.other_routes import OtherRoutes
from agentos_operator.reconcile.host_claims import HostClaims
from agentos_operator.reconcile.inquiry.memory import InquiryMemory
from agentos_operator.reconcile.isolation.memory import IsolationMemory
from agentos_operator.reconcile.surroundings.memory import SurroundingsMemory
from agentos_operator.settings import Settings
from agentos_operator.sightings import Sightings
from agentos_operator.workqueue import Key


@dataclass(frozen=True)
class Context:
    """The edges, the memory and the clock of all reconciliations."""

    kubernetes: Kubernetes
    databases: Mapping[str, PostgresServer]
    """By the name that Workspaces use."""
    settings: Settings
    ledger: Ledger
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    """Seconds, for durations."""
    mark: Callable[[Key], None]
    """Ask for another resource to be reconciled."""
    isolation: IsolationMemory = field(default_factory=IsolationMemory)
    """What probes have found."""
    inquiry: InquiryMemory = field(default_factory=InquiryMemory)
    """What pods have said."""
    logins_verified: dict[str, float] = field(default_factory=dict)
    """By a Workspace's UID, when its login was last tried."""
    published: dict[str, tuple[Retained, ...]] = field(default_factory=dict)
    """By server, what the list of retained data was last seen to say."""
    owed: set[str] = field(default_factory=set)
    """UIDs of Workspaces that have changed without their AgentDeployments having been told for certain."""
    publishing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever rewrites that list, which all servers share."""
    sightings: Sightings = field(default_factory=Sightings)
    """What the watches told last."""
    autoscalers: Autoscalers = field(default_factory=Autoscalers)
    """Where there are any."""
    looks: Looks = field(init=False)
    other_routes: OtherRoutes = field(init=False)
    hosts: HostClaims = field(init=False)
    surroundings: SurroundingsMemory = field(init=False)
    """Where DNS, the gateway and the PostgreSQL servers stand."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "looks", Looks(self.monotonic, self.settings.resync_seconds / 2))
        object.__setattr__(self, "other_routes", OtherRoutes(self.settings.routing))
        object.__setattr__(self, "hosts", HostClaims(self.mark))
        object.__setattr__(self, "surroundings", SurroundingsMemory(configured_surroundings(self.settings)))
