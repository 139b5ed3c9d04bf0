"""What a goal's text means, so that the text in the results and the verdict beside it cannot differ.

    < 110 MB            a bound of its own
    <= 1.0 x baseline   a share of the baseline
    <= baseline + 2 ms  a distance from the baseline

The unit after a number is for the reader: it is the figure's.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
_NUMBER = r"\d+(?:\.\d+)?"
_GOAL = re.compile(
    rf"(?P<operator><=|>=|<|>|=) (?:(?P<factor>{_NUMBER}) x baseline|baseline \+ (?P<plus>{_NUMBER}) \S+"
    rf"|(?P<bound>{_NUMBER})(?: \S+)?)"
)


def holds(goal: str, ours: float, baseline: float | None) -> bool | None:
    """Whether `ours` meets the goal; None where there is no goal. ValueError for a text that is none."""
    if not goal:
        return None
    found = _GOAL.fullmatch(goal)
    if found is None:
        raise ValueError(f"{goal!r} is no goal")
    return _OPERATORS[found["operator"]](ours, _bound(found, baseline))


def _bound(found: re.Match[str], baseline: float | None) -> float:
    if found["bound"] is not None:
        return float(found["bound"])
    if baseline is None:
        raise ValueError(f"{found[0]!r} needs a baseline")
    return baseline * float(found["factor"]) if found["factor"] else baseline + float(found["plus"])
