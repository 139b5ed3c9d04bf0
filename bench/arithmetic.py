"""The little arithmetic that the figures need."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank): always one that was seen."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    if not 0 < share <= 1:
        raise ValueError(f"{share} is no share")
    return sorted(values)[math.ceil(share * len(values)) - 1]


def significant(value: float, digits: int = 4) -> float:
    """Rounded to what the noise leaves of it."""
    return float(f"{value:.{digits}g}")
