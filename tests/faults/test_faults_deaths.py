"""Wherever the operator dies, its successor comes to the end of a run without faults."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.faults.catalogue import KILLED_AFTER, KILLED_BEFORE, REPLACED, Death
from tests.faults.engine import Engine
from tests.faults.plan import Plan
from tests.faults.scenarios import Scenario


@pytest.mark.parametrize("death", [KILLED_BEFORE, KILLED_AFTER, REPLACED], ids=lambda death: death.name)
def test_the_end_is_the_same_with_an_operator(
    engine: Engine, plan: Plan, scenarios: Sequence[Scenario], death: Death
) -> None:
    engine.know(scenarios)
    cases = plan.deaths(scenarios, engine.reference, death)
    engine.know([case.scenario for case in cases], newer=death.replaced)
    wrong = engine.deaths(cases)
    assert not wrong, "\n".join(wrong)
