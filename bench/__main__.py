"""`python -m bench [names]` measures, `python -m bench record NAME VALUE UNIT` keeps a figure somebody else timed;
`python -m bench report` writes docs/reports anew, which the others do too."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench import (
    autoscaling,
    circumstances,
    coverage,
    first_answer,
    isolation_probe,
    open_streams,
    operator_memory,
    results,
    rollouts,
    runtime,
    runtime_events,
    spec_compile,
    upgrades,
)
from bench.catalog import FIGURES, LONG, PARTS, RECORDED, SCALE_SIZES, by_name, parts_of
from bench.report import write as report
from bench.results import Entry
from bench.scale import measure as scale
from bench.soak import measure as soak
from bench.soak.lives import MOST
from local.steps import StepFailedError, say

Measured = tuple[list[Entry], dict[str, Any]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 1 for a part that failed, whose entries then stay as they were."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["record"]:
        return _record(words[1:])
    if words == ["report"]:
        report.write()
        return 0
    options = _parser().parse_args(words)
    try:
        parts = parts_of(options.names)
    except KeyError as error:
        say(f"{error.args[0]}: the figures are {', '.join(one.name for one in FIGURES)}; parts: {', '.join(PARTS)}")
        return 2
    return max(_measure(part, _measures(options)[part]) for part in parts)


def _from(least: int, most: int) -> Callable[[str], int]:
    """A whole number within bounds; argparse tells the text of the error."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {most}")
        return int(text)

    return parse


def _measures(options: argparse.Namespace) -> Mapping[str, Callable[[], Measured]]:
    rounds, name = options.rounds, options.cluster
    return {
        "runtime": lambda: runtime.measure(runtime.Plan(rounds, options.runs)),
        "events": lambda: runtime_events.measure(runtime_events.Plan(rounds, options.runs)),
        "streams": lambda: open_streams.measure(open_streams.Plan()),
        "spec-compile": lambda: spec_compile.measure(spec_compile.Plan(rounds)),
        "coverage": coverage.measure,
        "scale": lambda: scale.measure(scale.Plan(tuple(options.sizes))),
        "first-answer": lambda: first_answer.measure(first_answer.Plan(rounds, name)),
        "isolation": lambda: isolation_probe.measure(isolation_probe.Plan(rounds, name)),
        "rollouts": lambda: rollouts.measure(rollouts.Plan(name)),
        "upgrades": lambda: upgrades.measure(upgrades.Plan(name, options.earlier)),
        "autoscaling": lambda: autoscaling.measure(autoscaling.Plan(name)),
        "operator-memory": lambda: operator_memory.measure(operator_memory.Plan(name, options.rest)),
        "soak": lambda: soak.measure(soak.Plan(name, options.seconds, options.workspaces, options.seed)),
    }


def _measure(part: str, measure: Callable[[], Measured]) -> int:
    """Write as soon as a part is done: a later one that fails takes nothing with it."""
    say(f"{part}:")
    try:
        entries, details = measure()
    except results.FlawedError as error:
        _keep(part, error.entries, error.details)
        return _failed(part, error)
    except StepFailedError as error:
        return _failed(part, error)
    _keep(part, entries, details)
    return 0


def _failed(part: str, error: StepFailedError) -> int:
    say(f"{error.step or part}: {error.why}\n{error.advice}")
    return 1


def _keep(part: str, entries: Sequence[Entry], details: Mapping[str, Any]) -> None:
    results.save(entries)
    results.save_details(part, details)
    report.write()
    for one in entries:
        print(results.describe(one))


def _record(words: Sequence[str]) -> int:
    recorded = [figure.name for figure in FIGURES if figure.part == RECORDED]
    parser = argparse.ArgumentParser(prog="python -m bench record")
    parser.add_argument("name", choices=recorded)
    parser.add_argument("value", type=float)
    parser.add_argument("unit", choices=sorted({by_name(name).unit for name in recorded}))
    options = parser.parse_args(words)
    one = results.entry(by_name(options.name), options.value, None, circumstances.now())
    results.save([one])
    report.write()
    print(results.describe(one))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, and merge into bench/results/.")
    which = f"figures, or parts ({', '.join(PARTS)}); without any all but {', '.join(LONG)}"
    parser.add_argument("names", nargs="*", help=which)
    parser.add_argument("--rounds", type=int, default=7, help="pairs of measurements (default: 7)")
    parser.add_argument("--runs", type=int, default=300, help="runs of each load (default: 300)")
    sizes = ", ".join(map(str, SCALE_SIZES))
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=SCALE_SIZES,
        help=f"workspaces of the fleets of scale (default: {sizes})",
    )
    parser.add_argument("--rest", type=float, default=60.0, help="seconds of rest before the operator is weighed")
    parser.add_argument("--earlier", default="", help="commit that an upgrade begins with (default: the newest tag)")
    parser.add_argument("--seconds", type=_from(60, 86400), default=7200, help="length of soak (default: 7200)")
    parser.add_argument("--workspaces", type=_from(1, MOST), default=50, help="workspaces of soak (default: 50)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of soak (default: any, printed)")
    parser.add_argument("--cluster", default="", help="local cluster to use; the one that is up, else one of its own")
    return parser


if __name__ == "__main__":
    sys.exit(main())
