"""Whether something grows: straight lines through what was measured at rest; pure.

Memory, tasks, files and connections rise and fall with the work in hand, so states of rest are compared with states of
rest: every workspace there, Ready, nothing in the queue, some seconds without work. They are of one process, the
longest there was, without its beginning, in which caches fill and Python's heap takes the size that the work needs.

What is held against the goal is not the slope itself but the upper end of its 95 % interval: the most that may grow
without the measurement having noticed. So noise and too short a run count against us; a test whether the slope differs
from zero would be passed the easier, the worse the measurement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

WARM_UP = 0.25
"""Share of a process's life that is left out."""
LEAST = 4
"""Points below which there is no line to speak of."""
_STUDENT = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""97.5 % quantiles of Student's t for 1 to 30 degrees of freedom
(https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm); beyond that the last, which is the larger."""


@dataclass(frozen=True)
class Slope:
    """A line's slope in units per hour, with its 95 % interval."""

    per_hour: float
    low: float
    high: float
    points: int


def slope_of(points: Sequence[tuple[float, float]]) -> Slope | None:
    """Least squares through (seconds, value); None for fewer than LEAST."""
    count = len(points)
    if count < LEAST:
        return None
    hours = [seconds / 3600 for seconds, _ in points]
    values = [value for _, value in points]
    middle, mean = sum(hours) / count, sum(values) / count
    spread = sum((hour - middle) ** 2 for hour in hours)
    slope = sum((hour - middle) * (value - mean) for hour, value in zip(hours, values, strict=True)) / spread
    rests = [value - mean - slope * (hour - middle) for hour, value in zip(hours, values, strict=True)]
    freedom = count - 2
    error = math.sqrt(sum(rest**2 for rest in rests) / freedom / spread)
    reach = _STUDENT[min(freedom, len(_STUDENT)) - 1] * error
    return Slope(slope, slope - reach, slope + reach, count)


def compared(samples: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of `samples` that may be compared: at rest, of the longest-lived process, without its beginning."""
    lives = [list(life) for pid, life in groupby(samples, key=lambda sample: sample["pid"]) if pid]
    if not lives:
        return []
    life = max(lives, key=lambda life: life[-1]["seconds"] - life[0]["seconds"])
    warm = life[0]["seconds"] + WARM_UP * (life[-1]["seconds"] - life[0]["seconds"])
    return [sample for sample in life if sample["rest"] and sample["seconds"] >= warm]


def slope_in(samples: Sequence[Mapping[str, Any]], field: str) -> Slope | None:
    """The slope of one field over the samples that may be compared."""
    return slope_of([(sample["seconds"], sample[field]) for sample in compared(samples)])
