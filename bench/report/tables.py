"""Markdown that all pages share; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with a blank line behind it."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def circumstances(date: str, machine: str, versions: Mapping[str, str]) -> str:
    """When, where and with what."""
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    return f"Measured on {date}: {machine}; {named}.\n"
