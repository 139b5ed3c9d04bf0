"""`spec.limits`: the CRD bounds the same fields in the same way."""

from __future__ import annotations

from agentos_spec.model import Limits
from agentos_spec.node import Node

_UNITS = {"Ki": 1024, "Mi": 1024**2}
_COUNTS = {
    "concurrentRuns": ("concurrent_runs", 1000),
    "concurrentRunsPerUser": ("concurrent_runs_per_user", 1000),
    "requestsPerUserPerMinute": ("requests_per_user_per_minute", 100_000),
}
"""Fields that count something: what they are called here, and the most they may say."""
_LARGEST_BODY = 100 * 1024**2


def parse_limits(node: Node) -> Limits:
    """What the spec says, and the defaults where it says nothing."""
    have = node.fields([], ["requestBody", *_COUNTS])
    given = {field: have[name].integer(1, most) for name, (field, most) in _COUNTS.items() if name in have}
    if "requestBody" in have:
        given["body_bytes"] = _bytes(have["requestBody"])
    limits = Limits(**given)
    if {"concurrent_runs", "concurrent_runs_per_user"} <= given.keys() and _more_for_one_than_for_all(limits):
        have["concurrentRunsPerUser"].fail("must not be more than concurrentRuns")
    return limits


def _more_for_one_than_for_all(limits: Limits) -> bool:
    return limits.concurrent_runs_per_user > limits.concurrent_runs


def _bytes(node: Node) -> int:
    text = node.name(r"[1-9][0-9]{0,5}(Ki|Mi)", "a size such as 512Ki or 10Mi")
    size = int(text[:-2]) * _UNITS[text[-2:]]
    if size > _LARGEST_BODY:
        node.fail(f"is {text}; it takes at most 100Mi")
    return size
