"""The real operator lives through sequences of generated specs: each ends Ready or says by name what is the matter,
and going back to the first one gives the first state, in the cluster and in PostgreSQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.world import Backstage, World
from tests.generated.asking import Asking
from tests.generated.lives import STEPS, life_of, live
from tests.generated.report import Report
from tests.integration.operator.conftest import staged
from tests.integration.operator.stage import Launch, OperatorProcess, Stage, new_name

if TYPE_CHECKING:
    from tests.integration.apiserver import ApiServer, Object
    from tests.servers import PostgresProcess

SIDE_BY_SIDE = 10
CONFIGURATION: dict[str, Any] = {"resyncSeconds": 6000, "allowedImages": ["*"]}
SPECS_OF_ONE = 40
"""So many single specs are tried for each sequence."""


@pytest.fixture(scope="module")
def stage(
    routed_api: ApiServer,
    postgres: PostgresProcess,
    chart: list[Object],
    token: str,
    forked: Launch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """In the end no secret may have leaked."""
    with staged(routed_api, postgres, chart, token, tmp_path_factory.mktemp("generated")) as stage:
        stage.launch = forked
        yield stage


@pytest.fixture
def world(stage: Stage) -> Iterator[World]:
    with Backstage(stage).playing():
        yield World(stage)


def test_every_sequence_of_specs_leads_somewhere_and_back(
    world: World, asking: Asking, report: Report, seeds: Sequence[int]
) -> None:
    chosen = seeds[::SPECS_OF_ONE]
    count, stage = report.counts["sequences"], world.stage
    wrong: list[str] = []
    for start in range(0, len(chosen), SIDE_BY_SIDE):
        lives = [life_of(seed, asking) for seed in chosen[start : start + SIDE_BY_SIDE]]
        with stage.running(**CONFIGURATION):
            live(world, lives)
        wrong += [f"#{life.seed}: {each}" for life in lives for each in dict.fromkeys(life.wrong)]
        wrong += rewritten(stage, [life.name for life in lives])
        count["sequences"] += len(lives)
        count["specs"] += len(lives) * (STEPS + 2) * 2
        for life in lives:
            world.discard(life.name)
    wrong += [each for operator in stage.started for each in failures_in(operator)]
    assert not wrong, "\n".join(wrong[:20])


def rewritten(stage: Stage, names: Sequence[str]) -> list[str]:
    """What an operator writes that starts anew: nothing, whatever words the specs have for what they say.

    It takes resources in the order in which it hears of them, so that one that is new is not looked at before them.
    """
    before = stage.versions(names)
    with stage.running(**CONFIGURATION):
        stage.ready_workspace(new_name("flt"))
        after = stage.versions(names)
    return [f"{each} was written once more by the next operator" for each in before if before[each] != after[each]]


def failures_in(operator: OperatorProcess) -> list[str]:
    """What the operator logs as an error, or tries again without knowing what it is."""
    lines = [json.loads(line) for line in operator.log.splitlines() if line.startswith("{")]
    assert lines
    odd = [line for line in operator.log.splitlines() if not line.startswith("{")]
    unknown = [line for line in lines if re.search(r"failed and will be repeated: \w+$", line["message"])]
    return [
        *odd[:5],
        *(json.dumps(line) for line in lines if line["level"] in ("error", "critical") or "exception" in line),
        *map(json.dumps, unknown),
    ]
