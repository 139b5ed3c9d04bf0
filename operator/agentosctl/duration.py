"""Durations as people write them on the command line: 90s, 15m, 1h30m."""

from __future__ import annotations

import re
from datetime import timedelta

_PATTERN = re.compile(r"(?:(?P<hours>[0-9]{1,6})h)?(?:(?P<minutes>[0-9]{1,6})m)?(?:(?P<seconds>[0-9]{1,6})s)?")


def parse(text: str) -> timedelta:
    """The duration that `text` means; ValueError with a sentence for anything else."""
    match = _PATTERN.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text!r} is no duration: write it like 90s, 15m or 1h30m")
    return timedelta(**{unit: int(value) for unit, value in match.groupdict(default="0").items()})


def text(duration: timedelta) -> str:
    """A duration as `parse` takes it: 90s, 1h30m."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
