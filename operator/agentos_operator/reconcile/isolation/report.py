"""Reads what a probe left in its pod's status, and what it means; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentos_operator import reasons
from agentos_operator.resources.common import Object

VERSION = 1
FAMILIES = ("network", "postgresql", "token")
_NEEDED = ("network", "postgresql")
"""Without an attempt of each nothing is proved; tokens need a runtime, which a workspace may not have."""
_WORDS = {"network": "network", "postgresql": "PostgreSQL", "token": "token"}
_LONGEST_ITEM = 250


@dataclass(frozen=True)
class Report:
    """What a probe says."""

    attempts: Mapping[str, int]
    breaches: Sequence[str]
    breach_count: int
    inconclusive: Sequence[str]
    failed_controls: Sequence[str]
    cpu_seconds: float


@dataclass(frozen=True)
class Verdict:
    """What it means."""

    holds: bool | None
    reason: str
    message: str


def read_report(text: str) -> Report | None:
    """The report in a termination message; None for anything that is not one."""
    try:
        said = json.loads(text)
        if said["version"] != VERSION:
            return None
        return Report(
            attempts={family: int(said["attempts"][family]) for family in FAMILIES},
            breaches=_texts(said["breaches"]),
            breach_count=int(said["breachCount"]),
            inconclusive=_texts(said["inconclusive"]),
            failed_controls=_texts(said["failedControls"]),
            cpu_seconds=float(said["cpuSeconds"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def judge(report: Report, when: str) -> Verdict:
    """A breach outweighs all else; without one, only a run in which everything could be told proves isolation."""
    total = sum(report.attempts.values())
    if report.breach_count:
        return Verdict(
            False,
            reasons.ISOLATION_BREACHED,
            f"A tenant could {report.breaches[0] if report.breaches else 'get out'}: {report.breach_count} of {total} "
            f"attempts at {when} succeeded. docs/isolation.md says what to do.",
        )
    if why := _weakness(report):
        return Verdict(None, reasons.VERIFICATION_INCONCLUSIVE, f"Nothing is proved by the run at {when}: {why}.")
    parts = ", ".join(f"{count} {_WORDS[family]}" for family, count in report.attempts.items())
    return Verdict(True, reasons.ISOLATED, f"{total} attempts at {when} failed as they should ({parts}).")


def _weakness(report: Report) -> str:
    if report.failed_controls:
        return f"this should have succeeded and did not: {report.failed_controls[0]}"
    if report.inconclusive:
        return f"this ended neither in success nor in a refusal: {report.inconclusive[0]}"
    missing = [_WORDS[family] for family in _NEEDED if not report.attempts[family]]
    return f"no {missing[0]} target is known to be there" if missing else ""


def last_words(pod: Object) -> tuple[int, str] | None:
    """Exit code and termination message of the probe's container; None while it has not ended."""
    for container in pod.get("status", {}).get("containerStatuses", ()):
        ended = container.get("state", {}).get("terminated")
        if ended is not None:
            return int(ended["exitCode"]), str(ended.get("message", ""))
    return None


def _texts(items: Any) -> list[str]:
    if not isinstance(items, list):
        raise TypeError
    return [_plain(str(item)) for item in items]


def _plain(text: str) -> str:
    line = " ".join(text.encode(errors="replace").decode().split())
    return line[:_LONGEST_ITEM]
