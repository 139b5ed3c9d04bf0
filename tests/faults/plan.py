"""Which cases are run: a sample with every test run, all by ``make faults``, one by its name.

The sample is the same every time: what a change breaks, it breaks again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.faults.catalogue import ApiFault, Death, Targeted, WatchFault
from tests.faults.engine import Case, Reference
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
        if self.wanted != SHORT:
            return self._named([case for each in scenarios for case in _each_call(each, known(each), faults)])
        quick = [fault for fault in faults if not _is_slow(fault)]
        return [
            Case(scenario, fault)
            for number, scenario in enumerate(scenarios, start=1)
            for fault in (quick if scenario.name == MET_BY_ALL else [quick[number % len(quick)]])
        ]

    def deaths(self, scenarios: Sequence[Scenario], known: Known, death: Death) -> list[Case]:
        """Cases that take a life of the operator each."""
        found = [_each_call(each, known(each), [death]) for each in scenarios]
        if self.wanted != SHORT:
            return self._named([case for cases in found for case in cases])
        # Each scenario dies in one way, and at another part of its work, so that together they cover it.
        sample = [cases[number * len(cases) // len(found)] for number, cases in enumerate(found) if cases]
        if death.replaced:
            return [case for case in sample if case.scenario.name in REPLACED_DURING]
        return sample[death.happens :: 2]

    def blind(self, fault: WatchFault) -> list[Scenario]:
        """Scenarios that are tried side by side while watches are spoiled."""
        if self.wanted == SHORT:
            return [scenario for scenario in SCENARIOS if scenario.name in WATCHED]
        return [case.scenario for case in self._named([Case(scenario, fault) for scenario in SCENARIOS])]

    def _named(self, cases: list[Case]) -> list[Case]:
        return cases if self.wanted == ALL else [case for case in cases if str(case) == self.wanted]


def _is_slow(fault: Targeted) -> bool:
    return isinstance(fault, ApiFault) and fault.answer.delay > 0


def _each_call(scenario: Scenario, reference: Reference, faults: Sequence[Targeted]) -> list[Case]:
    """Every write with every fault; of reads that repeat themselves the first."""
    return [
        Case(scenario, fault, call)
        for call in reference.calls
        for fault in faults
        if fault.fits(call) and (call.is_write or call.number == 1)
    ]
