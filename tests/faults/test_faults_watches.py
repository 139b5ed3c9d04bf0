"""Whatever the operator is told of what happens, and however late, the end is that of a run without faults."""

from __future__ import annotations

import pytest

from tests.faults.catalogue import WatchFault
from tests.faults.engine import Engine
from tests.faults.plan import Plan
from tests.faults.watches import WATCH_FAULTS


@pytest.mark.parametrize("fault", WATCH_FAULTS, ids=lambda fault: fault.name)
def test_the_end_is_the_same_with(engine: Engine, plan: Plan, fault: WatchFault) -> None:
    scenarios = plan.blind(fault)
    engine.know(scenarios)
    wrong = engine.blind(fault, scenarios)
    assert not wrong, "\n".join(wrong)
