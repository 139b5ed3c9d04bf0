"""The README's figures: the table between two marks, and the plots of the fleets; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.catalog import SCALE_SIZES
from bench.report.tables import table

BEGIN, END = "<!-- figures: made by `python -m bench report` -->\n", "<!-- end of figures -->\n"
PLOTS = {
    "scale-time.svg": "Seconds until all of a fleet are ready, beside a bare client",
    "scale-memory.svg": "Resident memory of the operator over the number of workspaces",
    "scale-each.svg": "API calls, SQL statements and processor time per workspace",
}
_SMALLER = tuple(f"scale-{size}-" for size in SCALE_SIZES if size < max(SCALE_SIZES))
_VERDICT = {True: "holds", False: "missed", None: ""}


def with_figures(readme: str, entries: Sequence[Mapping[str, Any]], files: Iterable[str]) -> str:
    """`readme` with the figures of `entries` and those plots that are among `files`."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    rows = [_row(one) for one in entries if not one["name"].startswith(_SMALLER)]
    figures = table(("Figure", "Ours", "Baseline", "Ratio", "Goal", ""), rows)
    there = set(files)
    plots = "".join(f"\n![{text}](docs/reports/{name})\n" for name, text in PLOTS.items() if name in there)
    return f"{head}{BEGIN}\n{figures}{plots}\n{END}{tail}"


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    baseline = "" if one["baseline"] is None else f"{one['baseline']:g}"
    ratio = "" if one["ratio"] is None else f"{one['ratio']:.2f}"
    ours = f"{one['ours']:g} {one['unit']}"
    return f"`{one['name']}`", ours, baseline, ratio, one["goal"] or "", _VERDICT[one["holds"]]
