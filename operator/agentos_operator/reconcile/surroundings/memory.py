"""What was found out about the surroundings, for as long as the operator runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agentos_operator.desired.surroundings import Opening, Surroundings

DNS = "dns"
GATEWAY = "gateway"


def subject_of(server: str) -> str:
    """What the PostgreSQL server called ``server`` is called here."""
    return f"database.{server}"


@dataclass(frozen=True)
class Problem:
    """What an administrator should know."""

    text: str
    """Sentences."""
    certain: bool = True
    """Whether it was found to be so; False when there was no answer to find anything out from."""


@dataclass(frozen=True)
class Answer:
    """What one look came to."""

    opening: Opening | None
    """None when nothing was found; then there is a problem."""
    problem: Problem | None = None
    """What is wrong with what was found, or why nothing was."""


@dataclass
class SurroundingsMemory:
    """Written by ``look_around`` alone."""

    current: Surroundings
    """What policies are made from."""
    told: Mapping[str, Problem] = field(default_factory=dict)
    """By subject, what an administrator should know."""
    known: dict[str, Opening] = field(default_factory=dict)
    """By subject, what was found last; a look that fails takes nothing away."""
    seen: dict[str, dict[str, float]] = field(default_factory=dict)
    """By subject, when each of its addresses was seen last."""
    missed: dict[str, float] = field(default_factory=dict)
    """By subject, since when looks find nothing."""
    recorded: Mapping[str, str] | None = None
    """What the ConfigMap was last seen to say."""
