"""The page with all figures, those beside a baseline first; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.tables import circumstances, table

Entry = Mapping[str, Any]
HEAD = """\
# Figures

<!-- Made by `python -m bench report` from bench/results/; change it there. -->

[benchmarks.md](../benchmarks.md) says what each figure is and how it is measured. A ratio was measured side by side in
one run; seconds alone are the machine's as much as ours. Faults have [a page of their own](faults.md), and fleets one
beside it, once there are figures of them.
"""
_VERDICT = {True: "holds", False: "**missed**", None: ""}


def page(entries: Sequence[Entry]) -> str:
    """docs/reports/figures.md."""
    beside = [one for one in entries if one["baseline"] is not None]
    alone = [one for one in entries if one["baseline"] is None]
    ratios = [(f"`{one['name']}`", _ratio(one), _value(one), f"{one['baseline']:g}", *_goal(one)) for one in beside]
    values = [(f"`{one['name']}`", _value(one), *_goal(one)) for one in alone]
    parts = [
        HEAD,
        "## Beside a baseline\n",
        table(("Figure", "Ratio", "Ours", "Baseline", "Goal", ""), ratios),
        "## Alone\n",
        table(("Figure", "Measured", "Goal", ""), values),
        "## When and where\n",
        *_where(entries),
    ]
    return "\n".join(parts)


def _ratio(one: Entry) -> str:
    return "" if one["ratio"] is None else f"{one['ratio']:.2f} x"


def _value(one: Entry) -> str:
    return f"{one['ours']:g} {one['unit']}"


def _goal(one: Entry) -> tuple[str, str]:
    return one["goal"] or "", _VERDICT[one["holds"]]


def _where(entries: Sequence[Entry]) -> list[str]:
    """One paragraph for figures of the same run."""
    runs: dict[str, list[str]] = {}
    for one in entries:
        runs.setdefault(circumstances(one["date"], one["machine"], one["versions"]), []).append(f"`{one['name']}`")
    return [f"{', '.join(names)}: {where[0].lower()}{where[1:]}" for where, names in runs.items()]
