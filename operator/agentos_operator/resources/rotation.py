"""What a Workspace says about its credentials: how long tokens live, when secrets are replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentos_operator.naming import ROTATE_ANNOTATION, ROTATE_DATABASE_ANNOTATION, ROTATE_JWT_ANNOTATION

LONGEST_REQUEST = 253
"""Characters of a request that count: it is kept in status and in a Secret."""
_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")


@dataclass(frozen=True)
class Wish:
    """What a Workspace asks for of one of its credentials."""

    interval: timedelta | None
    """Age at which it is rotated; None for on demand only."""
    requests: tuple[str, ...]
    """Present values of the annotations that ask for a rotation."""


@dataclass(frozen=True)
class RotationSpec:
    """``rotation`` of ``spec.database`` and ``spec.auth``, and the annotations that ask for one."""

    database: Wish
    jwt: Wish
    max_token_lifetime: timedelta
    """Runtimes refuse tokens that live longer."""


def parse_rotation(body: Mapping[str, Any]) -> RotationSpec:
    """Read it from a Workspace as the API server stores it."""
    spec, annotations = body["spec"], body["metadata"].get("annotations", {})
    return RotationSpec(
        database=Wish(_interval(spec["database"]), _requests(annotations, ROTATE_DATABASE_ANNOTATION)),
        jwt=Wish(_interval(spec["auth"]), _requests(annotations, ROTATE_JWT_ANNOTATION)),
        max_token_lifetime=parse_duration(spec["auth"]["maxTokenLifetime"]),
    )


def parse_duration(text: str) -> timedelta:
    """``720h``, ``90m`` or ``1h30m``; the schema admits nothing else."""
    found = _DURATION.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in (found.groups() if found else (0, 0, 0)))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _interval(section: Mapping[str, Any]) -> timedelta | None:
    text = section.get("rotation", {}).get("interval")
    return parse_duration(text) if text else None


def _requests(annotations: Mapping[str, str], own: str) -> tuple[str, ...]:
    """Both may be there: one that asks for all credentials, one for this kind alone."""
    values = (annotations.get(name, "").strip()[:LONGEST_REQUEST] for name in (ROTATE_ANNOTATION, own))
    return tuple(value for value in values if value)
