"""What a reconciliation found out about the rotations of a workspace: its part of status, and when to look again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agentos_operator.conditions import Aspect
from agentos_operator.resources.common import Object
from agentos_operator.resources.rotation import Wish
from agentos_operator.rotation.schedule import Past, is_due, seconds_left, write_time

ROTATING = "Rotating"

POLL_SECONDS = 10.0
"""Between looks whether the last pods of earlier credentials have ended: their end is in no event that we watch."""


@dataclass(frozen=True)
class Progress:
    """How far one credential's rotation has come."""

    fields: Object
    """What status tells about the credential."""
    reason: str = ""
    """What a rotation under way waits for; empty when there is none."""
    message: str = ""
    within: float | None = None
    """Seconds after which it must be looked at again."""


def finished(fields: Object, wish: Wish, past: Past, now: datetime) -> Progress:
    """No rotation is under way. The next look is when the credential is old enough, or at once if one was asked for."""
    within = 0.0 if is_due(wish, past, now) else seconds_left(wish, past, now)
    return Progress({**fields, **_past_fields(past, {})}, within=within)


@dataclass(frozen=True)
class Step:
    """Where a rotation under way stands."""

    name: str
    reason: str
    message: str
    within: float
    """Seconds after which it must be looked at again."""
    details: Mapping[str, str | int]
    """Fields of status beside the step's name."""


def under_way(fields: Object, past: Past, step: Step) -> Progress:
    """A rotation has begun and not ended."""
    rotation = {"step": step.name, **step.details}
    return Progress({**fields, **_past_fields(past, rotation)}, step.reason, step.message, step.within)


def _past_fields(past: Past, rotation: Object) -> Object:
    handled = {"handledRequests": list(past.handled)} if past.handled else {}
    fields: Object = {"lastRotationTime": write_time(past.rotated_at)}
    return {**fields, "rotation": {**handled, **rotation}} if handled or rotation else fields


@dataclass
class RotationReport:
    """Filled in while the workspace is reconciled; ``previous`` stands for what could not be found out."""

    previous: Object
    """Status as it was."""
    progress: dict[str, Progress] = field(default_factory=dict)
    """By the field of status, ``database`` or ``auth``."""

    def aspects(self) -> list[Aspect]:
        """``Rotating``, only while a rotation is under way. The workspace is ready meanwhile: that is the point."""
        rotating = [progress for progress in self._known() if progress.message]
        if not rotating:
            return []
        message = " ".join(progress.message for progress in rotating)
        return [Aspect(ROTATING, True, rotating[0].reason, message, required=False)]

    def complete(self, fields: Object) -> Object:
        """``fields`` of status with what is known about both credentials."""
        completed = dict(fields)
        for name in ("database", "auth"):
            if name in fields:
                completed[name] = {**fields[name], **self._fields(name)}
        return completed

    @property
    def within(self) -> float | None:
        """Seconds after which the workspace must be looked at again."""
        return min((each.within for each in self._known() if each.within is not None), default=None)

    def _known(self) -> Iterator[Progress]:
        return (self.progress[name] for name in ("database", "auth") if name in self.progress)

    def _fields(self, name: str) -> Object:
        if name in self.progress:
            return self.progress[name].fields
        before: Object = self.previous.get(name, {})
        return {key: before[key] for key in ("login", "lastRotationTime", "rotation") if key in before}
