"""The page about `make faults`; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.report.tables import table

HEAD = """\
# Faults

<!-- Made by `python -m bench report` from bench/results/faults.json; change it there. -->

[faults.md](../faults.md) says what is done to the operator and what its end is compared with. Survived is a fault after
which everything stood as after a run without one.
"""


def page(results: Mapping[str, Any]) -> str:
    """docs/reports/faults.md."""
    scenarios = results["scenarios"]
    counts = [count for faults in scenarios.values() for count in faults.values()]
    injected, survived = _sum(counts, "injected"), _sum(counts, "survived")
    rows = [(f"`{name}`", *_row(list(faults.values()))) for name, faults in scenarios.items()]
    each = [
        (f"`{name}`", f"`{fault}`", *_row([count]), count["date"])
        for name, faults in scenarios.items()
        for fault, count in faults.items()
    ]
    figures = [(name, f"{figure['value']:g}", figure["date"]) for name, figure in sorted(results["figures"].items())]
    head = ("Survived", "Injected", "Not met", "Seconds")
    parts = [
        HEAD,
        f"**{survived} of {injected}** faults were survived.\n",
        table(("Scenario", *head), rows),
        "## Leadership\n",
        table(("What", "Seconds", "Day"), figures),
        "## Each fault\n",
        table(("Scenario", "Fault", *head, "Day"), each),
    ]
    return "\n".join(parts)


def _row(counts: list[Mapping[str, Any]]) -> tuple[str, str, str, str]:
    survived, injected = _sum(counts, "survived"), _sum(counts, "injected")
    seconds = sum(count["seconds"] for count in counts)
    return f"{survived}", f"{injected}", f"{_sum(counts, 'not_met')}", f"{seconds:.0f}"


def _sum(counts: list[Any], field: str) -> int:
    return sum(int(count[field]) for count in counts)
