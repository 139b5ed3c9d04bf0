"""What the operator says to the probe and what the probe says to the operator: two JSON documents, both of version 1.

`tests/unit/runtime/test_isolation_contract.py` holds both programs to them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.isolation.outcome import Attempt, Control, Outcome

VERSION = 1
MOST_BYTES = 4096
"""What the kubelet keeps of a termination message
(https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/)."""
_MOST_ITEMS = 5
_LONGEST_ITEM = 200


@dataclass(frozen=True)
class Endpoint:
    """An address that must not be reachable."""

    name: str
    """What stands there, for messages."""
    host: str
    port: int
    up: bool
    """Whether somebody is known to listen there. If not, a failure to connect proves nothing and is not counted."""


@dataclass(frozen=True)
class Neighbour:
    """What another workspace has in the same PostgreSQL server."""

    schema: str
    owner: str
    login: str


@dataclass(frozen=True)
class Targets:
    """What to try."""

    endpoints: tuple[Endpoint, ...]
    neighbours: tuple[Neighbour, ...]
    own_roles: tuple[str, ...]
    """Roles that the workspace may use; every other one is a target."""
    owner_role: str
    """The one among them that owns the workspace's tables."""
    shared_schemas: tuple[str, ...]
    """Schemas that all tenants may read."""
    runtimes: tuple[str, ...]
    """Addresses of this workspace's own runtimes, for the tokens."""
    port: int
    """Port of the runtimes."""


def parse_targets(text: str) -> Targets:
    """Read what the operator wrote.

    Raises:
        StartupError: it is not of a version that this program understands.
    """
    try:
        body = json.loads(text)
        if body["version"] != VERSION:
            raise StartupError(Reason.INVALID_SETTINGS, f"targets of version {body['version']} are not understood")
        return Targets(
            endpoints=tuple(Endpoint(**each) for each in body["endpoints"]),
            neighbours=tuple(Neighbour(**each) for each in body["neighbours"]),
            own_roles=tuple(body["ownRoles"]),
            owner_role=body["ownerRole"],
            shared_schemas=tuple(body["sharedSchemas"]),
            runtimes=tuple(body["runtimes"]),
            port=int(body["port"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        message = "AGENTOS_ISOLATION_TARGETS is not what the operator writes; use images of one release"
        raise StartupError(Reason.INVALID_SETTINGS, message) from error


def encode_report(attempts: Sequence[Attempt], controls: Sequence[Control], cost: Mapping[str, float]) -> str:
    """The result as one line of ASCII that fits a termination message; what is too much is counted, not listed."""
    breaches = [attempt.told for attempt in attempts if attempt.outcome is Outcome.BREACHED]
    unclear = [attempt.told for attempt in attempts if attempt.outcome is Outcome.UNCLEAR]
    failed = [control.told for control in controls if not control.succeeded]
    report = {
        "version": VERSION,
        "attempts": _counts(attempts),
        "controls": len(controls),
        "breaches": _short(breaches),
        "breachCount": len(breaches),
        "inconclusive": _short(unclear),
        "failedControls": _short(failed),
        **{name: round(value, 3) for name, value in cost.items()},
    }
    return json.dumps(report, separators=(",", ":"))


def _counts(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """By family, the attempts that tell something: at a target that was not there none was made."""
    counted = [attempt.family for attempt in attempts if attempt.outcome is not Outcome.ABSENT]
    return {family: counted.count(family) for family in ("network", "postgresql", "token")}


def _short(items: Sequence[str]) -> list[str]:
    return [_plain(item) for item in items[:_MOST_ITEMS]]


def _plain(text: str) -> str:
    """ASCII without what JSON escapes, so that a character is a byte."""
    return "".join(char if " " <= char <= "~" and char not in '"\\' else "?" for char in text)[:_LONGEST_ITEM]
