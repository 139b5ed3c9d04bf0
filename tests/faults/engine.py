"""Runs scenarios, with a fault or without, and says what came of each: the heart of the suite.

Faults of answers are tried side by side, each on a workspace of its own, in one life of the operator. A death takes a
life each; what dies is brought to its end by lives that come after.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.faults.calls import Call
from tests.faults.catalogue import Death, Fault
from tests.faults.injector import Armed, Injector, Said
from tests.faults.oracle import differences, final_state, sql_state
from tests.faults.pgproxy import PostgresProxy
from tests.faults.scenarios import NEXT_IMAGE, Scenario
from tests.faults.world import World
from tests.integration.apiserver import eventually
from tests.integration.operator.proxy import Proxy
from tests.integration.operator.stage import OperatorProcess, new_name

PATIENCE = 60.0
"""Seconds until a run that does not come to its end counts as failed."""
TRANSIENT = {
    ("Unknown", "APIServerUnavailable"),
    ("Unknown", "Waiting"),
    ("Unknown", "DatabaseUnavailable"),
    ("False", "DatabaseUnavailable"),
    ("False", "DatabaseError"),
    ("False", "DatabaseBusy"),
    ("False", "DatabaseForbidden"),
    ("False", "NamespaceTerminating"),
    ("False", "Forbidden"),
    ("False", "Progressing"),
    ("False", "WorkspaceNotReady"),
    ("False", "WorkspaceDeleting"),
    ("False", "RouteNotAccepted"),
    ("False", "RouteWithdrawn"),
    ("False", "Stopping"),
    ("False", "Suspended"),
    ("Unknown", "NotDiscovered"),
}
"""Status and reason of what a condition may say for a while because of a fault; docs/faults.md lists them."""


@dataclass(frozen=True)
class Case:
    """One fault at one call of a scenario; at the first attempt of every call that it fits without ``call``."""

    scenario: Scenario
    fault: Fault
    call: Call | None = None

    def __str__(self) -> str:
        return f"{self.scenario}/{self.fault.name}/{self.call or 'each call once'}"


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    case: Case
    hits: int
    """How often the fault has happened; 0 when the call was not made."""
    wrong: list[str]
    """What the oracle says against it."""


@dataclass
class Reference:
    """A run without a fault."""

    calls: list[Call]
    """Of both servers."""
    state: Any
    said: list[tuple[Said, ...]]


@dataclass
class Engine:
    """One world, the proxies around its operator, and what runs without faults look like."""

    world: World
    bystander: str
    api: Proxy
    postgres: PostgresProxy
    injector: Injector
    references: dict[str, Reference] = field(default_factory=dict)

    # Lives of the operator

    @contextmanager
    def life(self, *, newer: bool = False) -> Iterator[OperatorProcess]:
        """One operator, from its start to its death."""
        operator = self.world.stage.start(server=self.api.url, wait=False, **self._configuration(newer=newer))
        try:
            yield operator
        finally:
            operator.kill()

    def _configuration(self, *, newer: bool) -> dict[str, Any]:
        """The stage's, with the proxy in the place of PostgreSQL; that of a newer operator has a newer image."""
        database = copy.deepcopy(self.world.stage.configuration["database"])
        database["servers"][0]["port"] = self.postgres.port
        allowed = {"database": database, "allowedImages": [NEXT_IMAGE.rpartition(":")[0]]}
        return {**allowed, "runtimeImage": NEXT_IMAGE} if newer else allowed

    # Runs

    def reference(self, scenario: Scenario, *, newer: bool = False) -> Reference:
        """A run without a fault, made once."""
        key = f"{scenario} newer" if newer else scenario.name
        if key not in self.references:
            with self.life(newer=newer):
                (name,) = self._prepared(scenario, 1)
                self.injector.watch(name)
                scenario.act(self.world, name)
                eventually(lambda: scenario.over(self.world, name), f"{scenario} is over", PATIENCE)
                state = self._rested(name)
            self.references[key] = Reference(self.injector.calls(name), state, self.injector.said.pop(name, []))
            self.world.discard(name)
        return self.references[key]

    def _rested(self, name: str) -> Any:
        """The state, once it stays the same: an end that is still moving is none."""
        last: list[Any] = [None]

        def rests() -> bool:
            before, last[0] = last[0], final_state(self.world, name)
            time.sleep(0.5)
            return bool(before == last[0])

        eventually(rests, f"{name} is at rest", PATIENCE)
        return last[0]

    def _prepared(self, scenario: Scenario, count: int) -> list[str]:
        names = [new_name("flt") for _ in range(count)]
        for name in names:
            scenario.prepare(self.world, name)
        left = set(names)

        def ready() -> bool:
            left.difference_update([name for name in left if scenario.prepared(self.world, name)])
            return not left

        eventually(ready, f"{count} workspaces are prepared for {scenario}", PATIENCE + 2 * count)
        return names

    def answers(self, cases: Sequence[Case]) -> list[Outcome]:
        """Cases of one scenario, side by side in one life of the operator."""
        scenario = cases[0].scenario
        self.reference(scenario)
        with self.life():
            names = self._prepared(scenario, len(cases))
            armed = {}
            for name, case in zip(names, cases, strict=True):
                armed[name] = self.injector.arm(name, case.fault, case.call)
                scenario.act(self.world, name)
            return self._judged(dict(zip(names, cases, strict=True)), armed)

    def deaths(self, cases: Sequence[Case]) -> list[Outcome]:
        """Cases of one scenario, one after the other, each in a life of its own; then one that is left alone."""
        scenario = cases[0].scenario
        newer = _replaces(cases[0].fault)
        self.reference(scenario, newer=newer)
        armed: dict[str, Armed] = {}
        with self.life():
            names = self._prepared(scenario, len(cases))
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
            time.sleep(0.05)
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
