"""Status conditions as a pure function of what a reconciliation found out.

A reconciliation yields one ``Aspect`` per thing that must hold, in the order in which they come about. From these
follow the conditions: each aspect's own, ``Ready`` on top, and kstatus' ``Reconciling`` and ``Stalled``, which exist
only while they are true (https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agentos_operator import reasons
from agentos_operator.resources.common import Object

SUSPENDED = "Suspended"
"""Exists only while somebody wants no pod to run; True once none is left."""

_STATUS = {True: "True", False: "False", None: "Unknown"}


@dataclass(frozen=True)
class Aspect:
    """One thing that must hold before the resource is ready."""

    type: str
    holds: bool | None
    """None when it could not be found out."""
    reason: str
    message: str
    stalled: bool = False
    """Whether it stays so until somebody changes something; retries go on all the same."""
    required: bool = True
    """Whether the resource is not ready without it; other aspects are only told."""


def held(type_: str, message: str, reason: str = reasons.READY) -> Aspect:
    """An aspect that holds."""
    return Aspect(type_, True, reason, message)


def failed(type_: str, reason: str, message: str, *, stalled: bool = False) -> Aspect:
    """An aspect that does not hold."""
    return Aspect(type_, False, reason, message, stalled)


def waiting(type_: str, cause: str) -> Aspect:
    """An aspect that was not looked at, because the aspect ``cause`` does not hold yet."""
    return Aspect(type_, None, reasons.WAITING, f"Waits for {cause}.")


def build_conditions(aspects: Sequence[Aspect], ready_message: str, generation: int) -> list[Object]:
    """The conditions that ``aspects`` add up to, without transition times.

    What is suspended and at rest is Ready with that reason: it is as asked for, and kstatus would call anything else
    in progress for ever.
    """
    missing = next((aspect for aspect in aspects if aspect.required and aspect.holds is not True), None)
    if missing is None:
        at_rest = next((aspect for aspect in aspects if aspect.type == SUSPENDED), None)
        reason, message = (at_rest.reason, at_rest.message) if at_rest else (reasons.READY, ready_message)
        summary = [Aspect("Ready", True, reason, message)]
    else:
        kind = "Stalled" if missing.stalled else "Reconciling"
        summary = [
            Aspect("Ready", missing.holds, missing.reason, missing.message),
            Aspect(kind, True, missing.reason, missing.message),
        ]
    return [_condition(aspect, generation) for aspect in (*summary, *aspects)]


def with_transition_times(conditions: Sequence[Object], previous: Sequence[Object], now: datetime) -> list[Object]:
    """``conditions`` with ``lastTransitionTime`` kept from ``previous`` where the status is the same."""
    before = {condition["type"]: condition for condition in previous}
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    stamped = []
    for condition in conditions:
        old = before.get(condition["type"])
        kept = old is not None and old["status"] == condition["status"]
        stamped.append({**condition, "lastTransitionTime": old["lastTransitionTime"] if kept and old else stamp})
    return stamped


def is_ready(conditions: Sequence[Object]) -> bool:
    """Whether ``conditions`` say Ready."""
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def is_at_rest(conditions: Sequence[Object]) -> bool:
    """Whether ``conditions`` say Ready, and none that it is not known yet: only another whole look can tell that."""
    return is_ready(conditions) and all(condition["status"] != "Unknown" for condition in conditions)


def _condition(aspect: Aspect, generation: int) -> Object:
    return {
        "type": aspect.type,
        "status": _STATUS[aspect.holds],
        "observedGeneration": generation,
        "reason": aspect.reason,
        "message": aspect.message,
    }
