"""The page about the soak: slopes, actions and what was left, with plots over the hours; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.catalog import by_name
from bench.report.plot import Line, Plot, draw
from bench.report.tables import circumstances, table

Details = Mapping[str, Any]
HEAD = """\
# Hours of random lives

<!-- Made by `python -m bench report` from bench/results/; change it there. -->

[benchmarks.md](../benchmarks.md) says what is done and how growth is told from noise. A slope is the operator's, per
hour, over states of rest of its longest process without the beginning; held against the goal is the upper end of its
95 % interval.
"""
_TITLES = {
    "soak-memory-slope": "Resident memory",
    "soak-files-slope": "Open files",
    "soak-connections-slope": "TCP connections",
    "soak-tasks-slope": "asyncio tasks",
}
_RESTS = (
    ("rss_mb", "Resident memory, MB"),
    ("files", "Open files"),
    ("threads", "Threads"),
    ("tasks", "asyncio tasks"),
    ("connections_api", "Connections to the API server"),
    ("connections_postgresql", "Connections to PostgreSQL"),
    ("roles", "Roles of workspaces"),
    ("schemas", "Schemas of workspaces"),
)


def page(details: Details) -> str:
    """docs/reports/soak.md."""
    hours = details["seconds"] / 3600
    shown = plots(details)
    actions = sum(details["actions"].values())
    parts = [
        HEAD,
        circumstances(details["date"], details["machine"], details["versions"]),
        f"{details['workspaces']} workspaces for {hours:.2f} hours, {actions:,} actions in {details['rounds']} "
        f"rounds. The operator was killed {details['kills']} times, the last time while all were deleted. The seed was "
        f"{details['seed']}.\n",
        "## What grew\n",
        _slopes(details["slopes"]),
        "## At rest\n",
        _rests(details["samples"]),
        *(f"![{_PLOTS[name][0]}]({name})\n" for name in shown),
        "## What was done\n",
        table(("Action", "Times"), [(action, f"{count:,}") for action, count in details["actions"].items()]),
        "## What was left, and what went wrong\n",
        *_wrong(details),
    ]
    return "\n".join(parts)


def plots(details: Details) -> dict[str, str]:
    """The files beside the page."""
    samples = [sample for sample in details["samples"] if "rss_mb" in sample]
    if not samples:
        return {}
    return {
        name: draw(Plot(title, "hours", unit, of(samples), even=True)) for name, (title, unit, of) in _PLOTS.items()
    }


def _course(samples: Sequence[Details], name: str, *fields: str) -> Line:
    return Line(name, [(one["seconds"] / 3600, sum(one[field] for field in fields)) for one in samples])


def _memory(samples: Sequence[Details]) -> Sequence[Line]:
    rests = [sample for sample in samples if sample["rest"]]
    return [_course(each, name, "rss_mb") for each, name in ((rests, "at rest"), (samples, "always")) if each]


def _counts(samples: Sequence[Details]) -> Sequence[Line]:
    connections = ("connections_api", "connections_postgresql", "connections_other")
    return (
        _course(samples, "files", "files"),
        _course(samples, "connections", *connections),
        _course(samples, "tasks", "tasks"),
    )


_PLOTS: Mapping[str, tuple[str, str, Callable[[Sequence[Details]], Sequence[Line]]]] = {
    "soak-memory.svg": ("Operator's resident memory", "MB", _memory),
    "soak-counts.svg": ("Operator's open files, connections and tasks", "", _counts),
}


def _slopes(slopes: Mapping[str, Details]) -> str:
    if not slopes:
        return "The run was too short for a line: there were fewer than four states of rest to compare.\n"
    rows = []
    for name, slope in slopes.items():
        interval = f"{slope['low']:.2f} to {slope['high']:.2f}"
        rows.append((_TITLES[name], f"{slope['per_hour']:.2f}", interval, f"{slope['points']}", by_name(name).goal))
    return table(("Of the operator", "Per hour", "95 % interval", "States of rest", "Goal of its upper end"), rows)


def _rests(samples: Sequence[Details]) -> str:
    """The first and the last state of rest."""
    rests = [sample for sample in samples if sample["rest"] and "rss_mb" in sample]
    if not rests:
        return "No state of rest could be looked at.\n"
    first, last = rests[0], rests[-1]
    rows = [(title, f"{first[field]:g}", f"{last[field]:g}") for field, title in _RESTS]
    return table(("What", "First", "Last"), rows)


def _wrong(details: Details) -> list[str]:
    failures = [f"{each['workspace']}, {each['action']}: {each['why']}" for each in details["failures"]]
    found = [*failures, *details["wrong"]]
    if not found:
        return [
            "Nothing: no object, role, schema, database or session, and every workspace became what was asked for.\n"
        ]
    return [f"- {each}" for each in found] + [""]
