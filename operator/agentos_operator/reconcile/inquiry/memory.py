"""What the operator keeps between an inquiry and the status that tells of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agentos_operator.reconcile.inquiry.judge import Finding
from agentos_operator.workqueue import Key


def _nobody(_key: Key) -> None:
    """Stands for the queue of inquiries where there is none."""


@dataclass
class InquiryMemory:
    """By AgentDeployment."""

    request: Callable[[Key], None] = _nobody
    """Ask for the pods of an AgentDeployment to be asked."""
    findings: dict[Key, Finding] = field(default_factory=dict)
    """Those of AgentDeployments that are gone are removed at their next inquiry."""
    not_before: dict[Key, float] = field(default_factory=dict)
    """When each may be asked again at the earliest: what its pods say has status written, and that has them asked."""
    repeated: set[Key] = field(default_factory=set)
    """Those that are asked again and again."""

    def forget(self, key: Key) -> None:
        """It is gone, or is not asked any more."""
        self.findings.pop(key, None)
        self.not_before.pop(key, None)
        self.repeated.discard(key)
