"""When a credential is to be rotated: by age, or because somebody asked; pure.

Requests are texts that people choose (annotations of the Workspace). One that was handled stands in the Secret, in the
same write that begins the rotation, so a request begins exactly one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agentos_operator.naming import HANDLED_ANNOTATION, ROTATED_ANNOTATION
from agentos_operator.resources.rotation import Wish

_CLOCK_SKEW = timedelta(minutes=5)
"""A time further ahead than clocks differ was written by nobody who knew it."""


@dataclass(frozen=True)
class Past:
    """What is known of earlier rotations."""

    rotated_at: datetime
    """End of the last rotation, or the credential's creation."""
    handled: tuple[str, ...]
    """Requests that have begun a rotation."""


def is_due(wish: Wish, past: Past, now: datetime) -> bool:
    """Whether a rotation must begin."""
    asked = any(request not in past.handled for request in wish.requests)
    remaining = seconds_left(wish, past, now)
    return asked or (remaining is not None and remaining <= 0)


def seconds_left(wish: Wish, past: Past, now: datetime) -> float | None:
    """Seconds until a rotation is due by age; None when it never is."""
    return None if wish.interval is None else (past.rotated_at + wish.interval - now).total_seconds()


def fresh_past(wish: Wish, now: datetime) -> Past:
    """Of a credential that was just made: nothing older is in use, so every request is fulfilled."""
    return Past(now, wish.requests)


def read_past(annotations: Mapping[str, str], now: datetime) -> Past:
    """The past as a Secret's annotations have it; its age begins anew where they were spoiled."""
    return Past(read_time(annotations.get(ROTATED_ANNOTATION, ""), now) or now, _texts(annotations))


def past_annotations(past: Past) -> dict[str, str]:
    """The annotations that ``read_past`` reads."""
    return {ROTATED_ANNOTATION: write_time(past.rotated_at), HANDLED_ANNOTATION: json.dumps(past.handled)}


def write_time(time: datetime) -> str:
    """RFC 3339 in UTC, whole seconds, as Kubernetes writes times."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: str, now: datetime) -> datetime | None:
    """The time in ``text``; None for what is no time, or lies ahead of ``now``."""
    try:
        time = datetime.fromisoformat(text)  # strptime takes sixty times as long, at each look at a Secret
        return time if time.tzinfo and time.astimezone(UTC) <= now + _CLOCK_SKEW else None
    except (ValueError, OverflowError):
        return None


def _texts(annotations: Mapping[str, str]) -> tuple[str, ...]:
    try:
        found = json.loads(annotations.get(HANDLED_ANNOTATION, "[]"))
    except (ValueError, RecursionError):
        return ()
    return tuple(str(each) for each in found) if isinstance(found, list) else ()
