"""The two files that a run leaves: `latest.json`, one entry per figure, and `details.json`, what they were made of.

A run of one part replaces that part's entries and keeps the others, each with the date and the machine it was
measured on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import goals
from bench.arithmetic import significant
from bench.catalog import FIGURES, Figure
from local.steps import StepFailedError

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Entry:
    """One figure; the fields are the file's."""

    name: str
    unit: str
    ours: float
    baseline: float | None
    ratio: float | None
    goal: str | None
    holds: bool | None
    date: str
    machine: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Circumstances:
    """When, where and with what something was measured."""

    date: str
    machine: str
    versions: Mapping[str, str]


class FlawedError(StepFailedError):
    """A part that measured to its end what it was to measure, and found what must not be: the figures are kept."""

    def __init__(self, why: str, advice: str, entries: Iterable[Entry], details: Mapping[str, Any]) -> None:
        super().__init__(why, advice)
        self.entries = list(entries)
        self.details = details


def entry(figure: Figure, ours: float, baseline: float | None, at: Circumstances) -> Entry:
    """The verdict is on what was measured; rounded is only what is written."""
    return Entry(
        name=figure.name,
        unit=figure.unit,
        ours=significant(ours),
        baseline=None if baseline is None else significant(baseline),
        ratio=significant(ours / baseline, 3) if baseline else None,
        goal=figure.goal or None,
        holds=goals.holds(figure.goal, ours, baseline),
        date=at.date,
        machine=at.machine,
        versions=dict(sorted(at.versions.items())),
    )


def merge(old: Iterable[Mapping[str, Any]], new: Iterable[Entry]) -> list[dict[str, Any]]:
    """The entries of a file after a run: new ones in the place of old ones, in the order of the catalog.

    What the catalog does not know (any more) stays, at the end, by name.
    """
    entries = {one["name"]: dict(one) for one in old} | {one.name: asdict(one) for one in new}
    order = {figure.name: place for place, figure in enumerate(FIGURES)}
    return sorted(entries.values(), key=lambda one: (order.get(one["name"], len(order)), one["name"]))


def save(new: Iterable[Entry], folder: Path = FOLDER) -> None:
    """Merge entries into the file."""
    _write(folder / "latest.json", merge(_read(folder / "latest.json", []), new))


def save_details(name: str, details: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Put one part's raw figures in the place of its last ones."""
    known: dict[str, Any] = _read(folder / "details.json", {})
    _write(folder / "details.json", dict(sorted({**known, name: details}.items())))


def _read(path: Path, default: Any) -> Any:
    return json.loads(path.read_text()) if path.exists() else default


def _write(path: Path, content: Any) -> None:
    """Whole or not at all: an interrupted run must not cost the other parts' figures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    os.replace(partial, path)


def describe(one: Entry) -> str:
    """An entry as a line for people."""
    verdict = {True: "holds", False: "MISSED", None: ""}[one.holds]
    baseline = "" if one.baseline is None else f"{one.baseline:g}"
    ratio = "" if one.ratio is None else f"{one.ratio:.2f} x"
    figures = f"{one.name:<24}{one.ours:>9g} {one.unit:<11}{baseline:>9} {ratio:>8}"
    return f"{figures}  {one.goal or '':<22}{verdict}".rstrip()
