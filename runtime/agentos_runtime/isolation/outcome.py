"""What came of one attempt, and of one control."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """How an attempt ended."""

    HELD = "held"
    """It was refused although the target is there."""
    BREACHED = "breached"
    """It succeeded."""
    ABSENT = "absent"
    """The target is not there, or not known to be, so that the failure proves nothing."""
    UNCLEAR = "unclear"
    """It ended in a way that tells neither."""


@dataclass(frozen=True)
class Attempt:
    """Something that a tenant must not be able to do."""

    family: str
    """network, postgresql or token."""
    name: str
    """What was tried, as the rest of a sentence that begins with "could"."""
    outcome: Outcome
    detail: str = ""
    """How it ended; never anything that was read."""

    @property
    def told(self) -> str:
        """One line for people."""
        return f"{self.name} ({self.detail})" if self.detail else self.name


@dataclass(frozen=True)
class Control:
    """Something that must succeed, or else failed attempts prove nothing."""

    name: str
    succeeded: bool
    detail: str = ""

    @property
    def told(self) -> str:
        """One line for people."""
        return f"{self.name} ({self.detail})" if self.detail else self.name
