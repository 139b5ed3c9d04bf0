"""Runs scenarios, with a fault or without, and says what came of each: the heart of the suite.

Faults of answers are tried side by side, each on a workspace of its own, in one life of the operator. A death takes a
life each; what dies is brought to its end by lives that come after.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.faults.cases import TRANSIENT, Case, Outcome, Reference, Tell
from tests.faults.catalogue import Death, Fault, WatchFault
from tests.faults.injector import Armed, Injector
from tests.faults.oracle import differences, final_state, sql_state
from tests.faults.pgproxy import PostgresProxy
from tests.faults.scenarios import NEXT_IMAGE, Scenario
from tests.faults.watches import Spoiled
from tests.faults.world import World
from tests.integration.apiserver import eventually
from tests.integration.operator.proxy import Proxy
from tests.integration.operator.stage import OperatorProcess, new_name

PATIENCE = 60.0
"""Seconds until a run that does not come to its end counts as failed."""
SOON = 8
"""Seconds between resyncs where events are lost; lost children are missed within it, or a tenth after a new list."""
LOOK_SECONDS = 0.5
"""Between two looks at all workspaces that are in work: each takes some requests for each of them."""
SIDE_BY_SIDE = 40
"""Workspaces that are in work at once."""
DYING_TOGETHER = 12
"""Workspaces that wait for the operator that is left alone: each start looks at all that there are."""


@dataclass
class Engine:
    """One world, the proxies around its operator, and what runs without faults look like."""

    world: World
    bystander: str
    api: Proxy
    postgres: PostgresProxy
    injector: Injector
    tell: Tell
    """Told of all outcomes."""
    references: dict[tuple[str, bool], Reference] = field(default_factory=dict)

    # Lives of the operator

    @contextmanager
    def life(self, *, newer: bool = False, **changes: Any) -> Iterator[OperatorProcess]:
        """One operator, from its start to its death, with ``changes`` to its configuration."""
        configuration = {**self.configuration(newer=newer), **changes}
        operator = self.world.stage.start(server=self.api.url, wait=False, **configuration)
        try:
            yield operator
        finally:
            operator.kill()

    @property
    def database(self) -> dict[str, Any]:
        """The part of the stage's configuration, with the proxy in the place of PostgreSQL."""
        database: dict[str, Any] = copy.deepcopy(self.world.stage.configuration["database"])
        database["servers"][0]["port"] = self.postgres.port
        return database

    def configuration(self, *, newer: bool = False) -> dict[str, Any]:
        """What the operator runs with; a newer one has a newer image."""
        allowed = {"database": self.database, "allowedImages": [NEXT_IMAGE.rpartition(":")[0]]}
        return {**allowed, "runtimeImage": NEXT_IMAGE} if newer else allowed

    # Runs

    def know(self, scenarios: Sequence[Scenario], *, newer: bool = False) -> None:
        """Run those without a fault that were not yet, side by side."""
        unknown = [each for each in dict.fromkeys(scenarios) if (each.name, newer) not in self.references]
        if not unknown:
            return
        with self.life(newer=newer):
            names = dict(zip(self._prepared(unknown), unknown, strict=True))
            for name, scenario in names.items():
                self.injector.watch(name)
                scenario.act(self.world, name)
            self._wait_until_over(names)
            states = self._rested([*names])
        for name, scenario in names.items():
            said = self.injector.said.pop(name, [])
            self.references[scenario.name, newer] = Reference(self.injector.calls(name), states[name], said)
            self.world.discard(name)

    def reference(self, scenario: Scenario, *, newer: bool = False) -> Reference:
        """What a run without a fault looks like."""
        self.know([scenario], newer=newer)
        return self.references[scenario.name, newer]

    def _wait_until_over(self, names: Mapping[str, Scenario]) -> None:
        left = dict(names)

        def over() -> bool:
            for name in [name for name, scenario in left.items() if scenario.over(self.world, name)]:
                del left[name]
            return not left

        eventually(over, f"without a fault these are over: {names}", PATIENCE, LOOK_SECONDS)

    def _rested(self, names: Sequence[str]) -> dict[str, Any]:
        """The states, once they stay the same: an end that is still moving is none."""
        last: dict[str, Any] = {}

        def rests() -> bool:
            before = dict(last)
            last.update({name: final_state(self.world, name) for name in names})
            time.sleep(LOOK_SECONDS)
            return before == last

        eventually(rests, "all is at rest", PATIENCE)
        return last

    def _prepared(self, scenarios: Sequence[Scenario]) -> list[str]:
        """A workspace for each, ready for what the scenario does to it."""
        names = {new_name("flt"): scenario for scenario in scenarios}
        for name, scenario in names.items():
            scenario.prepare(self.world, name)
        left = dict(names)

        def ready() -> bool:
            for name in [name for name, scenario in left.items() if scenario.prepared(self.world, name)]:
                del left[name]
            return not left

        eventually(ready, f"{len(names)} workspaces are prepared", PATIENCE + 2 * len(names), LOOK_SECONDS)
        return [*names]

    def _prepared_earlier(self, scenarios: Sequence[Scenario]) -> list[str]:
        """Like ``_prepared``, by an operator that no longer runs."""
        with self.life():
            return self._prepared(scenarios)

    def answers(self, cases: Sequence[Case]) -> list[str]:
        """What is wrong with cases, many of them side by side in one life of the operator."""
        return self._told(cases, self._answers, SIDE_BY_SIDE)

    def deaths(self, cases: Sequence[Case]) -> list[str]:
        """What is wrong with cases of one way to die, one after the other, each in a life of its own."""
        return self._told(cases, self._deaths, DYING_TOGETHER)

    def blind(self, fault: WatchFault, scenarios: Sequence[Scenario]) -> list[str]:
        """What is wrong with scenarios, side by side, whose operator is told its events as ``fault`` has it.

        What it is not told it finds at the resync, which is soon.
        """
        return self._told([Case(scenario, fault) for scenario in scenarios], self._blind, SIDE_BY_SIDE)

    def _blind(self, cases: Sequence[Case]) -> list[Outcome]:
        fault = cases[0].fault
        assert isinstance(fault, WatchFault)
        names = self._prepared_earlier([case.scenario for case in cases])
        armed = {name: Armed(fault, None, hits=1) for name in names}
        with Spoiled(self.api, fault), self.life(resyncSeconds=SOON):
            for name, case in zip(names, cases, strict=True):
                case.scenario.act(self.world, name)
            return self._judged(dict(zip(names, cases, strict=True)), armed)

    def _told(self, cases: Sequence[Case], run: Callable[[Sequence[Case]], list[Outcome]], size: int) -> list[str]:
        wrong: list[str] = []
        for start in range(0, len(cases), size):
            began = time.monotonic()
            outcomes = run(cases[start : start + size])
            for outcome in outcomes:
                outcome.seconds = (time.monotonic() - began) / len(outcomes)
            self.tell(outcomes)
            wrong += [f"{outcome.case}: {each}" for outcome in outcomes for each in outcome.wrong]
        return wrong

    def _answers(self, cases: Sequence[Case]) -> list[Outcome]:
        with self.life():
            names = self._prepared([case.scenario for case in cases])
            armed = {}
            for name, case in zip(names, cases, strict=True):
                armed[name] = self.injector.arm(name, case.fault, case.call)
                case.scenario.act(self.world, name)
            return self._judged(dict(zip(names, cases, strict=True)), armed)

    def _deaths(self, cases: Sequence[Case]) -> list[Outcome]:
        """A life for each, then one that is left alone."""
        newer = _replaces(cases[0].fault)
        armed: dict[str, Armed] = {}
        names = self._prepared_earlier([case.scenario for case in cases])
        for name, case in zip(names, cases, strict=True):
            armed[name] = self.injector.arm(name, case.fault, case.call)
            self._live_until_struck(name, case)
            self.injector.disarm(name)
        with self.life(newer=newer):
            return self._judged(dict(zip(names, cases, strict=True)), armed)

    def _live_until_struck(self, name: str, case: Case) -> None:
        with self.life() as operator:
            case.scenario.act(self.world, name)

            def ended() -> bool:
                return operator.process.poll() is not None or case.scenario.over(self.world, name)

            eventually(ended, f"{case}: the operator has died, or has done it all", PATIENCE)

    def _judged(self, cases: dict[str, Case], armed: dict[str, Armed]) -> list[Outcome]:
        left = dict(cases)
        wrong = {name: ["it never came to its end"] for name in cases}
        deadline = time.monotonic() + PATIENCE + len(cases)
        while left and time.monotonic() < deadline:
            for name, case in [*left.items()]:
                if not case.scenario.over(self.world, name):
                    continue
                wrong[name] = self._differences(name, case)
                if not wrong[name]:
                    del left[name]
            time.sleep(LOOK_SECONDS)
        for name, case in cases.items():
            wrong[name] += self._said_wrongly(name, case)
            self.world.discard(name)
        return [Outcome(case, armed[name].hits, wrong[name]) for name, case in cases.items()]

    def _differences(self, name: str, case: Case) -> list[str]:
        wanted = self.reference(case.scenario, newer=_replaces(case.fault))
        return differences(wanted.state, final_state(self.world, name))

    def _said_wrongly(self, name: str, case: Case) -> list[str]:
        usual = {said for status in self.reference(case.scenario).said for said in status}
        new = {said for status in self.injector.said.pop(name, []) for said in status} - usual
        odd = [said for said in sorted(new) if said[2:] not in TRANSIENT and said[1] not in ("Reconciling", "Stalled")]
        return [*self.injector.lies.pop(name, []), *(f"it said {' '.join(said)}" for said in odd)]

    # The bystander

    def bystanding(self) -> Any:
        """Everything about the workspace that nothing happens to."""
        names = self.world.identities[self.bystander][0]
        return {"objects": self.world.stage.versions([self.bystander]), "sql": sql_state(self.world, names)}


def _replaces(fault: Fault) -> bool:
    return isinstance(fault, Death) and fault.replaced
