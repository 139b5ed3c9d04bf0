"""Tables for people; `retained` and `rollout` fill them."""

from __future__ import annotations

from collections.abc import Sequence


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns below their headings."""
    every = [headings, *rows]
    widths = [max(len(row[number]) for row in every) for number in range(len(headings))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in every)
    return "".join(line.rstrip() + "\n" for line in lines)
