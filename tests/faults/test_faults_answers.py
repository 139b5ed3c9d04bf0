"""Whatever becomes of an answer, of the API server or of PostgreSQL, the end is that of a run without faults."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.faults.catalogue import API_FAULTS, SQL_FAULTS, Targeted
from tests.faults.engine import Engine
from tests.faults.plan import Plan
from tests.faults.scenarios import Scenario


@pytest.mark.parametrize("faults", [API_FAULTS, SQL_FAULTS], ids=["the API server", "PostgreSQL"])
def test_the_end_is_the_same_whatever_becomes_of_answers_of(
    engine: Engine, plan: Plan, scenarios: Sequence[Scenario], faults: Sequence[Targeted]
) -> None:
    engine.know(scenarios)
    wrong = engine.answers(plan.answers(scenarios, engine.reference, faults))
    assert not wrong, "\n".join(wrong)
