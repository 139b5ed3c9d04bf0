"""Which cases are run: a sample with every test run, all by ``make faults``, one by its name.

The sample is the same every time: what a change breaks, it breaks again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from tests.faults.catalogue import ApiFault, Death, Targeted, WatchFault
from tests.faults.engine import Case, Reference
from tests.faults.scenarios import SCENARIOS, Scenario

SHORT, ALL = "short", "all"
FAULTS_EACH = 3
"""Faults that each scenario meets in the sample, each at the first attempt of everything; another choice for each."""
WATCHED_SHORTLY = ("create", "update")
"""Scenarios of the sample for each fault of watches."""
Known = Callable[[Scenario], Reference]


@dataclass(frozen=True)
class Plan:
    """What ``--faults`` asks for: ``short``, ``all``, or the name of a case."""

    wanted: str

    def answers(self, scenarios: Sequence[Scenario], known: Known, faults: Sequence[Targeted]) -> list[Case]:
        """Cases of faults that are tried side by side."""
        if self.wanted != SHORT:
            return self._named([case for each in scenarios for case in _each_call(each, known(each), faults)])
        quick = cycle([fault for fault in faults if not _is_slow(fault)])
        return [Case(scenario, fault) for scenario in scenarios for fault in islice(quick, FAULTS_EACH)]

    def deaths(self, scenarios: Sequence[Scenario], known: Known, death: Death) -> list[Case]:
        """Cases that take a life of the operator each."""
        found = [_each_call(each, known(each), [death]) for each in scenarios]
        if self.wanted != SHORT:
            return self._named([case for cases in found for case in cases])
        # Each scenario dies at another part of its work, so that together they cover it.
        return [cases[number * len(cases) // len(found)] for number, cases in enumerate(found) if cases]

    def blind(self, fault: WatchFault) -> list[Scenario]:
        """Scenarios that are tried side by side while watches are spoiled."""
        if self.wanted == SHORT:
            return [scenario for scenario in SCENARIOS if scenario.name in WATCHED_SHORTLY]
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
