"""Five fields of cron: what they say, and when that is.

Neither agno nor its croniter is asked. The operator has neither, all three programs have to say the same of a document,
and croniter fires a time that a clock shows twice in autumn twice. The rules are those of Vixie cron:

- day of month and day of week: where neither begins with `*`, a day that fits one of them counts;
- a time that the clock skips in spring is fired as much later, one that it shows twice the first time; where the hour
  is `*`, times are an interval and both count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_FAR = 366 * 41
"""Days in which every time that ever comes has come: a 29th of February that is a Sunday may be forty years away, as
2100 has none."""
_AROUND = timedelta(hours=4)
"""More than any clock is ever put back or forward."""
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_Fitting = Callable[[Iterator[datetime]], datetime | None]
_PART = re.compile(r"(?:(\*)|([a-z]{3}|\d{1,2})(?:-([a-z]{3}|\d{1,2}))?)(?:/(\d{1,2}))?")


@dataclass(frozen=True)
class _Field:
    """What one of the five may hold."""

    name: str
    low: int
    high: int
    words: Sequence[str] = ()

    def number(self, text: str) -> int:
        """A number, or the word that stands for one."""
        if text in self.words:
            return self.low + self.words.index(text)
        if not text.isdecimal() or not self.low <= int(text) <= self.high:
            words = f" or {self.words[0]} to {self.words[-1]}" if self.words else ""
            raise ValueError(f"{text!r} is no {self.name}; it takes {self.low} to {self.high}{words}")
        return int(text)

    def read(self, text: str) -> frozenset[int]:
        """All numbers that a list of ranges names."""
        return frozenset(number for part in text.split(",") for number in self._part(part))

    def _part(self, part: str) -> range:
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is no {self.name}; it takes numbers, ranges such as 1-5, lists, * and */2")
        every, first, last, step = match.groups()
        low = self.low if every else self.number(first)
        open_ended = every or (step and last is None)
        high = self.high if open_ended else self.number(last or first)
        if low > high or step in {"0", "00"}:
            raise ValueError(f"{part!r} holds no {self.name}; a range goes upward, and a step is at least 1")
        return range(low, high + 1, int(step or 1))


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True)
class Cron:
    """One expression in one time zone."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    """Whether a day has to fit only one of day of month and day of week."""
    zone: ZoneInfo

    def latest(self, now: datetime) -> datetime | None:
        """The last time up to and with `now`, which is aware; in UTC."""
        return self._search(now, -1, lambda times: max((time for time in times if time <= now), default=None))

    def following(self, now: datetime) -> datetime | None:
        """The first time after `now`; None where there is none."""
        return self._search(now, 1, lambda times: min((time for time in times if time > now), default=None))

    def _search(self, now: datetime, way: int, fitting: _Fitting) -> datetime | None:
        """Hour by hour away from `now`, from a little before it: clocks are put back and forward."""
        clock = now.astimezone(self.zone).replace(tzinfo=None)
        for days in range(-1, _FAR):
            day = clock.date() + timedelta(days=days * way)
            for hour in self.hours[::way] if self._fits(day) else ():
                away = datetime(day.year, day.month, day.day, hour) - clock  # noqa: DTZ001 - what a clock shows
                if away * way > -_AROUND and (time := fitting(self._times(day, hour))):
                    return time
        return None

    def _fits(self, day: date) -> bool:
        by_number, by_name = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (by_number or by_name if self.either else by_number and by_name)

    def _times(self, day: date, hour: int) -> Iterator[datetime]:
        """The times of one hour of the clock, which may come twice."""
        for minute in self.minutes:
            time = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
            yield time.astimezone(UTC)
            again = time.replace(fold=1)
            if len(self.hours) == 24 and _offset(time) > _offset(again):
                yield again.astimezone(UTC)


def parse_cron(text: str, timezone: str) -> Cron:
    """A ValueError says what is wrong with the expression; the time zone is one that exists."""
    parts = text.lower().split()
    if len(parts) != len(_FIELDS):
        fields = "minute, hour, day of the month, month and day of the week"
        raise ValueError(f"{text!r} has {len(parts)} fields; it takes five: {fields}, such as '0 9 * * mon-fri'")
    minutes, hours, days, months, weekdays = (field.read(part) for field, part in zip(_FIELDS, parts, strict=True))
    cron = Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=frozenset(number % 7 for number in weekdays),
        either=not (parts[2].startswith("*") or parts[4].startswith("*")),
        zone=ZoneInfo(timezone),
    )
    if cron.following(datetime(2000, 1, 1, tzinfo=UTC)) is None:
        raise ValueError(f"{text!r} names a day that no month has, so it never comes")
    return cron


def _offset(time: datetime) -> timedelta:
    return time.utcoffset() or timedelta()
