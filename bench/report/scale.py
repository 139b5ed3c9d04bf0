"""The page about fleets: tables and plots over the number of workspaces; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.report.plot import Line, Plot, draw
from bench.report.tables import circumstances, table

Details = Mapping[str, Any]
MANY = 10_000
"""Workspaces that were not tried, only calculated."""
HEAD = """\
# Fleets of workspaces

<!-- Made by `python -m bench report` from bench/results/; change it there. -->

[benchmarks.md](../benchmarks.md) says how each figure is measured, [ten-thousand.md](../ten-thousand.md) what follows
from them. The bare client applies the same objects and the same SQL with as many workspaces in flight, compares
nothing, and ends when all Deployments are Available.
"""


def page(details: Details) -> str:
    """docs/reports/scale.md."""
    sizes = _sizes(details)
    parts = [
        HEAD,
        circumstances(details["date"], details["machine"], details["versions"]),
        "## Beside a bare client\n",
        _beside(sizes),
        "![Seconds until all are ready](scale-time.svg)\n",
        "## Per workspace\n",
        _each(sizes),
        "![Calls, statements and processor time per workspace](scale-each.svg)\n",
        "## Memory, and the end\n",
        _whole(sizes),
        "![Resident memory of the operator](scale-memory.svg)\n",
        *_largest(sizes),
        *_slopes(sizes),
    ]
    return "\n".join(parts)


def plots(details: Details) -> dict[str, str]:
    """The files beside the page."""
    sizes = _sizes(details)
    seconds = [(size, found["seconds"]) for size, found in sizes.items()]
    bare = [(size, found["bare"]["seconds"]) for size, found in sizes.items()]
    memory = [(size, found["rss_mb"]) for size, found in sizes.items()]
    each = (
        Line("API calls", [(size, _calls(found) / size) for size, found in sizes.items()]),
        Line("SQL statements", [(size, found["statements"] / size) for size, found in sizes.items()]),
        Line("CPU ms", [(size, found["cpu_seconds"] / size * 1000) for size, found in sizes.items()]),
    )
    lines = (Line("operator", seconds), Line("bare client", bare))
    return {
        "scale-time.svg": draw(
            Plot("Created at once: seconds until all are ready", "workspaces", "s", lines, log=True)
        ),
        "scale-memory.svg": draw(
            Plot("Operator's resident memory at rest", "workspaces", "MB", (Line("operator", memory),), bound=200)
        ),
        "scale-each.svg": draw(Plot("What one workspace costs the operator", "workspaces", "", each)),
    }


def _sizes(details: Details) -> dict[int, Any]:
    return {int(size): details["sizes"][size] for size in sorted(details["sizes"], key=int)}


def _calls(found: Details) -> float:
    return float(sum(found["requests"].values()))


def _beside(sizes: Mapping[int, Any]) -> str:
    rows = [
        (
            f"{size:,}",
            f"**{found['seconds'] / found['bare']['seconds']:.2f} x**",
            f"{found['seconds']:.1f} s",
            f"{found['bare']['seconds']:.1f} s",
            f"{found['seconds'] / size * 1000:.0f} ms",
        )
        for size, found in sizes.items()
    ]
    return table(("Workspaces", "Ratio", "Operator: all Ready", "Bare client: all Available", "Operator, each"), rows)


def _each(sizes: Mapping[int, Any]) -> str:
    rows = [
        (
            f"{size:,}",
            f"{_calls(found) / found['bare']['requests']:.2f} x",
            f"{_calls(found) / size:.1f}",
            f"{found['bare']['requests'] / size:.1f}",
            f"{found['statements'] / size:.1f}",
            f"{found['bare']['statements'] / size:.1f}",
            f"{found['cpu_seconds'] / size * 1000:.0f} ms",
            f"{found['bare']['cpu_seconds'] / size * 1000:.0f} ms",
        )
        for size, found in sizes.items()
    ]
    head = ("Workspaces", "Calls: ratio", "API calls", "bare", "SQL statements", "bare", "CPU", "bare")
    return table(head, rows)


def _whole(sizes: Mapping[int, Any]) -> str:
    rows = [
        (
            f"{size:,}",
            f"{found['rss_mb']:.0f} MB",
            f"{found['removed_s']:.1f} s",
            ", ".join(f"{number} {what}" for what, number in sorted(found["left"].items())) or "nothing",
        )
        for size, found in sizes.items()
    ]
    return table(("Workspaces", "Memory at rest", "All removed after", "Left behind"), rows)


def _largest(sizes: Mapping[int, Any]) -> list[str]:
    """What was done with the largest fleet only."""
    size, found = max(sizes.items())
    changes = sorted(found["changes_s"])
    restart = found["restart"]
    rows = [
        ("Writes per minute at rest", f"{found['rest']['writes_per_minute']:.1f}"),
        ("CPU at rest", f"{found['rest']['cpu_percent']:.2f} % of a core"),
        ("Restarted, all looked at and settled after", f"{restart['seconds']:.1f} s"),
        ("Children that the restart changed", f"{restart['changed']}"),
        ("API calls of the restart", f"{restart['requests']:,}"),
        ("One workspace changed, median", f"{changes[len(changes) // 2]:.2f} s"),
        ("One workspace changed, slowest", f"{changes[-1]:.2f} s"),
    ]
    return [f"## With {size:,} in place\n", table(("What", "Measured"), rows)]


def _slopes(sizes: Mapping[int, Any]) -> list[str]:
    """What one more workspace costs between the two largest fleets, and where the line is at MANY."""
    if len(sizes) < 2:
        return []
    (few, small), (many, large) = sorted(sizes.items())[-2:]
    rows = []
    for name, key, unit in (
        ("Memory at rest", "rss_mb", "MB"),
        ("All Ready", "seconds", "s"),
        ("Removed", "removed_s", "s"),
    ):
        slope = (large[key] - small[key]) / (many - few)
        rows.append((name, f"{slope * 1000:.4g} {unit}", f"{large[key] + slope * (MANY - many):,.0f} {unit}"))
    settled = large["restart"]["seconds"] * MANY / many
    rows.append(("Settled after a restart", f"{settled * 1000 / MANY:.4g} s", f"{settled:,.0f} s"))
    rows.append(("CPU at rest", "", f"{large['rest']['cpu_percent'] * MANY / many:.1f} % of a core"))
    head = ("What", "Each 1,000 more", f"Straight on to {MANY:,}, one operator")
    return [f"## The slope from {few:,} to {many:,}\n", table(head, rows)]
