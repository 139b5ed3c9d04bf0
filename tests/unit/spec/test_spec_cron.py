"""When cron comes, on clocks that are put forward and back, and what is said of what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from croniter import croniter  # type: ignore[import-untyped]
from hypothesis import assume, given
from hypothesis import strategies as st

from agentos_spec.cron import Cron, parse_cron

if TYPE_CHECKING:
    from collections.abc import Iterator

BERLIN = "Europe/Berlin"
"""Clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25."""


def times(cron: Cron, after: datetime) -> Iterator[datetime]:
    while after := cron.following(after):  # type: ignore[assignment]
        yield after


def shown(text: str, after: str, count: int, zone: str = BERLIN) -> list[str]:
    """The next times as the clock shows them."""
    cron = parse_cron(text, zone)
    found = islice(times(cron, datetime.fromisoformat(after)), count)
    return [time.astimezone(cron.zone).isoformat(timespec="minutes") for time in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 9 * * mon-fri", ["2026-11-30T09:00+01:00", "2026-12-01T09:00+01:00"]),
        ("0 9 * * 1-5", ["2026-11-30T09:00+01:00", "2026-12-01T09:00+01:00"]),
        ("*/20 8,9 * * *", ["2026-11-28T08:20+01:00", "2026-11-28T08:40+01:00", "2026-11-28T09:00+01:00"]),
        ("5/25 8 * * *", ["2026-11-28T08:05+01:00", "2026-11-28T08:30+01:00", "2026-11-28T08:55+01:00"]),
        ("0 0 * * 7", ["2026-11-29T00:00+01:00"]),
        ("0 0 * * SUN", ["2026-11-29T00:00+01:00"]),
        ("0 0 1 jan,Jul *", ["2027-01-01T00:00+01:00", "2027-07-01T00:00+02:00"]),
        ("0 0 13 * fri", ["2026-12-04T00:00+01:00", "2026-12-11T00:00+01:00", "2026-12-13T00:00+01:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00+01:00", "2032-02-29T00:00+01:00"]),
        ("30 2 28 3 *", ["2027-03-28T03:30+02:00"]),
        ("0 0 29 2 */7", ["2032-02-29T00:00+01:00", "2060-02-29T00:00+01:00", "2088-02-29T00:00+01:00"]),
        ("0 0 */7 2 1", ["2027-02-01T00:00+01:00"]),
    ],
)
def test_an_expression_comes_when_cron_says(text: str, expected: list[str]) -> None:
    assert shown(text, "2026-11-28T08:00:00+01:00", len(expected)) == expected


def test_the_rarest_day_comes_after_a_century_without_a_leap_day() -> None:
    assert shown("0 0 29 2 */7", "2088-03-01T00:00:00+01:00", 1) == ["2128-02-29T00:00+01:00"]


def test_a_time_that_the_clock_skips_comes_as_much_later() -> None:
    assert shown("30 2 * * *", "2026-03-28T12:00:00+01:00", 2) == ["2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"]


def test_a_time_that_the_clock_shows_twice_comes_once() -> None:
    assert shown("30 2 * * *", "2026-10-24T12:00:00+02:00", 2) == ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]


def test_an_interval_goes_on_while_clocks_are_put_back_or_forward() -> None:
    back = shown("*/30 * * * *", "2026-10-25T01:30:00+02:00", 5)
    assert [time[11:] for time in back] == ["02:00+02:00", "02:30+02:00", "02:00+01:00", "02:30+01:00", "03:00+01:00"]
    forward = shown("*/30 * * * *", "2026-03-29T01:00:00+01:00", 3)
    assert [time[11:] for time in forward] == ["01:30+01:00", "03:00+02:00", "03:30+02:00"]


MOMENTS = st.integers(0, 10 * 365 * 24 * 3600).map(lambda seconds: datetime.fromtimestamp(1_767_225_600 + seconds, UTC))
"""In the ten years from 2026 on."""
FIELDS = [(0, 59), (0, 23), (1, 28), (1, 12), (0, 6)]


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """Of all forms but the range of one number, which croniter takes for `*`."""

    def field(low: int, high: int) -> str:
        first, last = sorted(draw(st.tuples(st.integers(low, high), st.integers(low, high))))
        assume(first < last)
        return draw(st.sampled_from(["*", f"{first}", f"{first}-{last}", f"{first},{last}", f"*/{max(2, first)}"]))

    return " ".join(field(low, high) for low, high in FIELDS)


@given(expressions(), MOMENTS)
def test_where_clocks_stay_as_they_are_it_says_what_croniter_says(text: str, now: datetime) -> None:
    theirs = croniter(text, now, implement_cron_bug=True, max_years_between_matches=40)
    assert parse_cron(text, "UTC").following(now) == theirs.get_next(datetime)


@given(expressions(), MOMENTS)
def test_the_latest_time_is_the_one_that_came_before_the_next(text: str, now: datetime) -> None:
    cron = parse_cron(text, BERLIN)
    latest, following = cron.latest(now), cron.following(now)
    assert latest is not None
    assert following is not None
    assert latest <= now < following
    assert cron.following(latest) == following
    assert cron.latest(following) == following


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0 9 * *", "has 4 fields; it takes five"),
        ("* * * * * *", "has 6 fields"),
        ("@daily", "has 1 fields"),
        ("60 * * * *", "'60' is no minute; it takes 0 to 59"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * 0 * *", "'0' is no day of the month; it takes 1 to 31"),
        ("* * * 13 *", "'13' is no month; it takes 1 to 12 or jan to dec"),
        ("* * * * mo", "'mo' is no day of the week"),
        ("* * * * mod", "'mod' is no day of the week; it takes 0 to 7 or sun to sat"),
        ("5-1 * * * *", "'5-1' holds no minute; a range goes upward"),
        ("*/0 * * * *", "a step is at least 1"),
        ("1,, * * * *", "'' is no minute"),
        ("* * L * *", "'l' is no day of the month"),
        ("0 0 31 2 *", "names a day that no month has"),
        ("0 0 30 feb *", "names a day that no month has"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("*", r"\*")):
        parse_cron(text, "UTC")
