"""A case, what a run without faults looked like, and what came of it; filled by ``engine``, read by ``report``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.faults.calls import Call
from tests.faults.catalogue import Fault
from tests.faults.injector import Said
from tests.faults.scenarios import Scenario

TRANSIENT = {
    ("Unknown", "APIServerUnavailable"),
    ("Unknown", "Waiting"),
    ("Unknown", "DatabaseUnavailable"),
    ("False", "DatabaseUnavailable"),
    ("False", "DatabaseError"),
    ("False", "DatabaseBusy"),
    ("False", "DatabaseForbidden"),
    ("False", "NamespaceTerminating"),
    ("False", "Forbidden"),
    ("False", "Progressing"),
    ("False", "WorkspaceNotReady"),
    ("False", "WorkspaceDeleting"),
    ("False", "RouteNotAccepted"),
    ("False", "RouteWithdrawn"),
    ("False", "Stopping"),
    ("False", "Suspended"),
    ("Unknown", "NotDiscovered"),
    ("True", "WaitingForDatabase"),
}
"""Status and reason of what a condition may say for a while because of a fault; docs/faults.md points here."""


@dataclass(frozen=True)
class Case:
    """One fault at one call of a scenario; at the first attempt of every call that it fits without ``call``."""

    scenario: Scenario
    fault: Fault
    call: Call | None = None

    def __str__(self) -> str:
        return f"{self.scenario}/{self.fault.name}/{self.call or 'each call once'}"


@dataclass
class Outcome:
    """What came of a case."""

    case: Case
    hits: int
    """How often the fault has happened; 0 when the call was not made."""
    wrong: list[str]
    """What the oracle says against it."""
    seconds: float = 0.0
    """Its part of the time that it took with others."""


Tell = Callable[[Sequence[Outcome]], None]


@dataclass
class Reference:
    """A run without a fault."""

    calls: list[Call]
    """Of both servers."""
    state: Any
    said: list[tuple[Said, ...]]
