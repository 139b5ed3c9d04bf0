"""Every figure there is, with its unit, its goal and the part that measures it; the order is that of the results."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure as the results name it."""

    name: str
    unit: str
    goal: str
    """In the language of `bench.goals`; empty where a figure is only reported."""
    part: str
    """The part of the bench that measures it; `recorded` ones are timed by whoever runs the command."""


SCALE_SIZES = (10, 100, 1000)
"""Workspaces of the fleets of a whole run."""


def _of_size(size: int) -> tuple[Figure, ...]:
    """What is measured of every fleet; the goals are those of the largest."""
    largest = size == max(SCALE_SIZES)
    return (
        Figure(f"scale-{size}-ready", "s", "<= 2 x baseline" if largest else "", "scale"),
        Figure(f"scale-{size}-memory", "MB", "< 200 MB" if largest else "", "scale"),
        Figure(f"scale-{size}-cpu", "ms/workspace", "", "scale"),
        Figure(f"scale-{size}-calls", "calls/workspace", "", "scale"),
        Figure(f"scale-{size}-sql", "statements/workspace", "", "scale"),
        Figure(f"scale-{size}-removed", "s", "", "scale"),
        Figure(f"scale-{size}-left", "things", "= 0 things", "scale"),
    )


FIGURES = (
    Figure("apply-to-first-answer", "s", "<= 1.0 x baseline", "first-answer"),
    Figure("runtime-throughput", "requests/s", ">= 0.95 x baseline", "runtime"),
    Figure("runtime-p50", "ms", "<= baseline + 2 ms", "runtime"),
    Figure("runtime-memory", "MiB", "<= baseline + 10 MiB", "runtime"),
    Figure("runtime-start", "s", "<= 1.0 x baseline", "runtime"),
    Figure("runtime-start-empty", "s", "<= 1.0 x baseline", "runtime"),
    Figure("runtime-events-cost", "ms", "", "events"),
    Figure("runtime-open-streams", "streams", "", "streams"),
    Figure("runtime-stream-memory", "KiB", "", "streams"),
    Figure("compile-support", "ms", "<= baseline + 20 ms", "spec-compile"),
    Figure("compile-newsroom", "ms", "<= baseline + 20 ms", "spec-compile"),
    Figure("compile-largest", "ms", "<= 2.0 x baseline", "spec-compile"),
    *(Figure(f"parameters-{name}", "parameters", "", "coverage") for name in ("agent", "team", "workflow")),
    Figure("providers-importable", "providers", "", "coverage"),
    Figure("toolkits-importable", "toolkits", "", "coverage"),
    Figure("toolkits-constructible", "toolkits", "", "coverage"),
    Figure("rotation-failed-requests", "requests", "= 0 requests", "rollouts"),
    Figure("rollout-failed-requests", "requests", "= 0 requests", "rollouts"),
    Figure("upgrade-failed-requests", "requests", "= 0 requests", "upgrades"),
    Figure("autoscaling-failed-requests", "requests", "= 0 requests", "autoscaling"),
    Figure("autoscaling-cpu-up", "s", "", "autoscaling"),
    Figure("autoscaling-cpu-down", "s", "", "autoscaling"),
    Figure("autoscaling-runs-up", "s", "", "autoscaling"),
    Figure("autoscaling-runs-down", "s", "", "autoscaling"),
    Figure("operator-idle-memory", "MB", "< 110 MB", "operator-memory"),
    Figure("workspace-ready-p50", "ms", "", "scale"),
    Figure("workspace-ready-p95", "ms", "", "scale"),
    Figure("workspace-sql-created", "statements", "", "scale"),
    Figure("workspace-sql-verified", "statements", "", "scale"),
    Figure("workspace-sql-dropped", "statements", "", "scale"),
    *(figure for size in SCALE_SIZES for figure in _of_size(size)),
    Figure("steady-writes", "writes/min", "<= 0 writes/min", "scale"),
    Figure("steady-cpu", "% of a core", "< 2 %", "scale"),
    Figure("restart-settle", "s", "< 15 s", "scale"),
    Figure("restart-writes", "objects", "= 0 objects", "scale"),
    Figure("one-change-p50", "s", "", "scale"),
    Figure("one-change-p95", "s", "< 2 s", "scale"),
    Figure("isolation-probe-seconds", "s", "", "isolation"),
    Figure("isolation-probe-cpu", "s", "", "isolation"),
    Figure("soak-hours", "h", "", "soak"),
    Figure("soak-actions", "actions", "", "soak"),
    Figure("soak-memory-slope", "MB/h", "< 5 MB/h", "soak"),
    Figure("soak-files-slope", "files/h", "< 3 files/h", "soak"),
    Figure("soak-connections-slope", "connections/h", "< 3 connections/h", "soak"),
    Figure("soak-tasks-slope", "tasks/h", "< 3 tasks/h", "soak"),
    Figure("soak-leftovers", "things", "= 0 things", "soak"),
    Figure("make-up-cold", "s", "", "recorded"),
    Figure("make-up-warm", "s", "", "recorded"),
    Figure("ci-cold", "s", "", "recorded"),
    Figure("ci-warm", "s", "", "recorded"),
)
RECORDED = "recorded"
PARTS = (
    "runtime",
    "events",
    "streams",
    "spec-compile",
    "coverage",
    "scale",
    "first-answer",
    "rollouts",
    "upgrades",
    "autoscaling",
    "operator-memory",
    "isolation",
    "soak",
)
"""In the order of a whole run: what needs no cluster comes before there is one."""

LONG = ("soak",)
"""Parts that are measured only when they are asked for."""


def by_name(name: str) -> Figure:
    """The figure; KeyError when there is none."""
    return {figure.name: figure for figure in FIGURES}[name]


def parts_of(words: list[str]) -> list[str]:
    """The parts that measure what `words` name, figures or parts; for no words all but the long ones. KeyError for a
    stranger."""
    wanted = {word if word in PARTS else by_name(word).part for word in words} or set(PARTS) - set(LONG)
    if RECORDED in wanted:
        raise KeyError("recorded figures are written by `record`")
    return [part for part in PARTS if part in wanted]
