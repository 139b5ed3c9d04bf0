"""Asks for a run of the isolation probe and waits for what it finds."""

from __future__ import annotations

import time
from typing import Any

from tests.cluster.tenancy import Tenancy, eventually

TYPE = "IsolationVerified"


def verify(tenancy: Tenancy, name: str = "globex") -> dict[str, Any]:
    """The condition after a run that was asked for now."""
    # A run that is under way would end after the question, and was about what stood before it.
    eventually(lambda: is_settled(tenancy, name), 180)
    before = fingerprint(tenancy, name)
    mark = f"agentos.hyvve.io/verify-isolation={time.time_ns()}"
    tenancy.kubectl("annotate", "workspace", name, mark, "--overwrite")
    eventually(lambda: fingerprint(tenancy, name) != before and is_settled(tenancy, name), 180)
    return tenancy.condition("workspace", name, type_=TYPE)


def is_settled(tenancy: Tenancy, name: str) -> bool:
    """Whether a run has ended and none is due."""
    pending = tenancy.condition("workspace", name, type_=TYPE).get("reason") == "VerificationPending"
    return fingerprint(tenancy, name) is not None and not pending


def fingerprint(tenancy: Tenancy, name: str) -> str | None:
    """Of what the last run was about; None before the first."""
    found: str | None = tenancy.get("workspace", name)["status"].get("isolation", {}).get("fingerprint")
    return found
