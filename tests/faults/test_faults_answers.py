"""Whatever becomes of an answer, of the API server or of PostgreSQL, the end is that of a run without faults."""

from __future__ import annotations

import pytest

from tests.faults.catalogue import API_FAULTS
from tests.faults.engine import Case, Engine
from tests.faults.scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_answers_of_the_api_server(engine: Engine, scenario: Scenario) -> None:
    outcomes = engine.answers([Case(scenario, fault) for fault in API_FAULTS])
    for o in outcomes: print(o.case, o.hits, o.wrong)
    print([str(c) for c in engine.reference(scenario).calls])
    assert [outcome for outcome in outcomes if outcome.wrong] == []
