"""Which cases are run: a sample with every test run, all by ``make faults``, one by its name.

The sample is the same every time: what a change breaks, it breaks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.faults.calls import Call
from tests.faults.cases import Case, Reference
from tests.faults.catalogue import ApiFault, Death, Targeted, WatchFault
from tests.faults.scenarios import SCENARIOS, Scenario

SHORT, ALL = "short", "all"
MET_BY_ALL = "create"
"""The scenario of the sample that meets every fault, because it has most of the writes."""
REPLACED_DURING = ("create", "update")
"""Scenarios of the sample in which the operator is upgraded; each takes a run without faults of its own."""
WATCHED = ("create", "update")
"""Scenarios of the sample for faults of watches."""
SAMPLED_WATCHES = ("events-dropped", "events-reordered", "stale-lists-after-410")
"""Faults of watches in the sample: a life of the operator each."""
Known = Callable[[Scenario], Reference]


@dataclass(frozen=True)
class Plan:
    """What ``--faults`` asks for: ``short``, ``all``, or the name of a case."""

    wanted: str

    def answers(self, scenarios: Sequence[Scenario], known: Known, faults: Sequence[Targeted]) -> list[Case]:
        """Cases of faults that are tried side by side."""
        quick = [fault for fault in faults if not _is_slow(fault)]
        if self.wanted == SHORT:
            return [
                Case(scenario, fault)
                for number, scenario in enumerate(scenarios, start=1)
                for fault in (quick if scenario.name == MET_BY_ALL else [quick[number % len(quick)]])
            ]
        once = [Case(scenario, fault) for scenario in scenarios for fault in quick]
        calls = [(scenario, known(scenario)) for scenario in scenarios]
        if self.wanted == ALL:
            return [*once, *(case for scenario, run in calls for case in _in_turn(scenario, run, faults))]
        return self._named([*once, *(case for scenario, run in calls for case in _each(scenario, run, faults))])

    def deaths(self, scenarios: Sequence[Scenario], known: Known, death: Death) -> list[Case]:
        """Cases that take a life of the operator each."""
        during = [each for each in scenarios if not death.replaced or each.name in REPLACED_DURING]
        # Calls that are made side by side come in another order each time.
        found = [sorted(_each(each, known(each), [death]), key=str) for each in during]
        if self.wanted == ALL:
            return [case for cases in found for case in cases]
        if self.wanted != SHORT:
            return self._named([case for cases in found for case in cases])
        # Each scenario dies in one way, and at another part of its work, so that together they cover it.
        sample = [cases[number * len(cases) // len(found)] for number, cases in enumerate(found) if cases]
        return sample if death.replaced else sample[death.happens :: 2]

    def blind(self, fault: WatchFault) -> list[Scenario]:
        """Scenarios that are tried side by side while watches are spoiled."""
        if self.wanted == ALL:
            return [*SCENARIOS]
        if self.wanted == SHORT:
            return [scenario for scenario in SCENARIOS if scenario.name in WATCHED]
        return [case.scenario for case in self._named([Case(scenario, fault) for scenario in SCENARIOS])]

    def _named(self, cases: list[Case]) -> list[Case]:
        return [case for case in cases if str(case) == self.wanted]


def _is_slow(fault: Targeted) -> bool:
    return isinstance(fault, ApiFault) and fault.answer.delay > 0


def _each(scenario: Scenario, run: Reference, faults: Sequence[Targeted]) -> list[Case]:
    """Every call with every fault; of reads that repeat themselves the first."""
    return [Case(scenario, fault, call) for call in _calls(run) for fault in faults if fault.fits(call)]


def _in_turn(scenario: Scenario, run: Reference, faults: Sequence[Targeted]) -> Iterator[Case]:
    """Every call is refused once, and its answer lost once, in ways that take turns."""
    for number, call in enumerate(_calls(run)):
        for happens in (False, True):
            fitting = [fault for fault in faults if fault.happens == happens and fault.fits(call)]
            if fitting:
                yield Case(scenario, fitting[number % len(fitting)], call)


def _calls(run: Reference) -> list[Call]:
    return [call for call in run.calls if call.is_write or call.number == 1]
