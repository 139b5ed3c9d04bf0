"""The operator's stage with a proxy on each of its ways, workspaces that faults happen to, and one that looks on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.faults.catalogue import Death
from tests.faults.engine import Engine
from tests.faults.injector import Injector
from tests.faults.oracle import untrue
from tests.faults.pgproxy import PostgresProxy
from tests.faults.plan import ALL, SAMPLED_WATCHES, SHORT, Plan
from tests.faults.report import RESULTS, Report
from tests.faults.scenarios import NEXT_IMAGE, SCENARIOS
from tests.faults.watches import WATCH_FAULTS
from tests.faults.world import Backstage, World
from tests.integration.operator.conftest import staged
from tests.integration.operator.proxy import Proxy
from tests.integration.operator.stage import Launch, Stage, new_name

if TYPE_CHECKING:
    from tests.integration.apiserver import ApiServer, Object
    from tests.servers import PostgresProcess


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What waits for minutes is left to ``make faults``."""
    if config.getoption("--faults") != SHORT:
        return
    left_out = [item for item in items if item.get_closest_marker("whole")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A sample takes its scenarios side by side; ``make faults`` takes one after the other, and tells of each."""
    wanted = metafunc.config.getoption("--faults")
    if "watch_fault" in metafunc.fixturenames:
        found = [each for each in WATCH_FAULTS if wanted != SHORT or each.name in SAMPLED_WATCHES]
        metafunc.parametrize("watch_fault", found, ids=lambda fault: fault.name)
    if "scenarios" not in metafunc.fixturenames:
        return
    if wanted == SHORT:
        metafunc.parametrize("scenarios", [SCENARIOS], ids=["a sample"])
    else:
        chosen = [each for each in SCENARIOS if wanted == ALL or wanted.startswith(f"{each}/")]
        metafunc.parametrize("scenarios", [(each,) for each in chosen], ids=[each.name for each in chosen])


@pytest.fixture(scope="session")
def plan(request: pytest.FixtureRequest) -> Plan:
    """Which cases are run."""
    return Plan(request.config.getoption("--faults"))


@pytest.fixture(scope="session")
def report(plan: Plan) -> Iterator[Report]:
    """What came of all cases; a sample is not worth a report."""
    report = Report()
    yield report
    if plan.wanted == ALL:
        report.write(RESULTS)


@pytest.fixture(scope="session")
def stage(
    routed_api: ApiServer,
    postgres: PostgresProcess,
    chart: list[Object],
    token: str,
    forked: Launch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """One for all: what a run without faults looks like is found out once."""
    with staged(routed_api, postgres, chart, token, tmp_path_factory.mktemp("faults")) as stage:
        stage.launch = forked
        yield stage


@pytest.fixture(scope="session")
def _engine(stage: Stage, postgres: PostgresProcess, report: Report) -> Iterator[Engine]:
    world = World(stage)

    def end(death: Death) -> None:
        process = stage.started[-1].process
        process.terminate() if death.replaced else process.kill()

    injector = Injector(end, world.owner_of, lambda name, body: untrue(world, name, body))
    api = Proxy(stage.api, before=injector.before, after=injector.after)
    api.seen = injector.seen
    with api, PostgresProxy(postgres, injector.meet_statement, injector.strike) as sql:
        engine = Engine(world, new_name("bystander"), api, sql, injector, report.note)
        with engine.life():
            world.create(engine.bystander)
            stage.wait_for("Workspace", engine.bystander)
            stage.available_deployment(engine.bystander, image=NEXT_IMAGE)
        yield engine


@pytest.fixture
def engine(_engine: Engine) -> Iterator[Engine]:
    """Ready to run cases; after each test the bystander must be as it was."""
    before = _engine.bystanding()
    with Backstage(_engine.world.stage).playing():
        yield _engine
    assert _engine.bystanding() == before
