"""Line plots as SVG, the same bytes for the same figures; pure.

A plotting library would draw more, and write a date, a version and random ids into every file that git then shows as
changed. https://www.w3.org/TR/SVG2/
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 560, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 120, 40, 48
_COLOURS = ("#0b6bcb", "#8a8a8a", "#c2410c")
_STYLE = "font-family:sans-serif;font-size:12px;fill:#444"


@dataclass(frozen=True)
class Line:
    """One series; x greater than zero, unless the axis is even."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Plot:
    """What is drawn: x on a logarithmic axis, or `even` from zero; y logarithmic too if `log`, else from zero."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    log: bool = False
    even: bool = False
    """For a course over time: points too many to be marked one by one."""
    bound: float | None = None
    """A goal, as a dashed line."""


def draw(plot: Plot) -> str:
    """The plot as a document; the background is white, so that it can be read in a dark page too."""
    points = [point for line in plot.lines for point in line.points]
    xs = [x for x, _ in points]
    left = 0.0 if plot.even else min(xs)
    scale = _Scale(left, max(xs), *_range(plot, [y for _, y in points]), plot.log, plot.even)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" role="img">',
        f"<title>{escape(plot.title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_WIDTH / 2, 22, plot.title, "middle", "font-weight:bold"),
        *_axes(plot, scale, _steps(max(xs)) if plot.even else sorted(set(xs))),
        *(part for number, line in enumerate(plot.lines) for part in _line(line, scale, _COLOURS[number])),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


@dataclass(frozen=True)
class _Scale:
    """From figures to pixels."""

    left: float
    right: float
    low: float
    high: float
    log: bool
    even: bool

    def x(self, value: float) -> float:
        grow = float if self.even else math.log
        share = _share(grow(value), grow(self.left), grow(self.right))
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        grow = math.log if self.log else float
        share = _share(grow(value), grow(self.low), grow(self.high))
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _range(plot: Plot, ys: Sequence[float]) -> tuple[float, float]:
    highest = max([*ys, *([plot.bound] if plot.bound else [])])
    if plot.log:
        return 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(highest))
    step = _step(highest)
    return 0.0, step * math.ceil(highest / step) or 1.0


def _step(highest: float) -> float:
    """A round distance of which at most five reach the highest."""
    power = 10 ** math.floor(math.log10(highest / 5)) if highest > 0 else 1.0
    return next(step for step in (power, 2 * power, 5 * power, 10 * power) if highest / step <= 5)


def _steps(highest: float) -> list[float]:
    """Round values from zero up to the highest."""
    step = _step(highest)
    return [step * number for number in range(int(highest / step + 1e-9) + 1)]


def _axes(plot: Plot, scale: _Scale, xs: Sequence[float]) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    found = []
    for y in _ticks(scale):
        found.append(f'<path d="M{_LEFT} {scale.y(y):.1f}H{right}" stroke="#ddd"/>')
        found.append(_text(_LEFT - 6, scale.y(y) + 4, f"{y:g}", "end"))
    for x in xs:
        found.append(f'<path d="M{scale.x(x):.1f} {bottom}v4" stroke="#444"/>')
        found.append(_text(scale.x(x), bottom + 18, f"{x:,g}", "middle"))
    if plot.bound is not None:
        y = scale.y(plot.bound)
        found.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#15803d" stroke-dasharray="5 4"/>')
        found.append(_text(right + 6, y + 4, f"goal {plot.bound:g}", "start", "fill:#15803d"))
    found.append(_text((_LEFT + right) / 2, _HEIGHT - 10, plot.x, "middle"))
    found.append(_text(_LEFT, _TOP - 6, plot.y, "middle"))
    return found


def _ticks(scale: _Scale) -> list[float]:
    if scale.log:
        first, last = round(math.log10(scale.low)), round(math.log10(scale.high))
        return [10.0**power for power in range(first, last + 1)]
    return _steps(scale.high)


def _line(line: Line, scale: _Scale, colour: str) -> list[str]:
    places = [(scale.x(x), scale.y(y)) for x, y in line.points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    marked = [] if scale.even else places
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in marked]
    name = _text(places[-1][0] + 8, places[-1][1] + 4, line.name, "start", f"fill:{colour}")
    return [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots, name]


def _text(x: float, y: float, text: str, anchor: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="{_STYLE};{style}">{escape(text)}</text>'
