"""Whatever the operator is told of what happens, and however late, the end is that of a run without faults."""

from __future__ import annotations

from tests.faults.catalogue import WatchFault
from tests.faults.engine import Engine
from tests.faults.plan import Plan


def test_the_end_is_the_same_with(engine: Engine, plan: Plan, watch_fault: WatchFault) -> None:
    scenarios = plan.blind(watch_fault)
    engine.know(scenarios)
    wrong = engine.blind(watch_fault, scenarios)
    assert not wrong, "\n".join(wrong)
