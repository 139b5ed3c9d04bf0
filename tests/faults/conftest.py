"""The operator's stage with a proxy on each of its ways, workspaces that faults happen to, and one that looks on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.faults.catalogue import Death
from tests.faults.engine import Engine
from tests.faults.forks import Forks
from tests.faults.injector import Injector
from tests.faults.oracle import untrue
from tests.faults.pgproxy import PostgresProxy
from tests.faults.scenarios import NEXT_IMAGE
from tests.faults.world import Backstage, World
from tests.integration.operator.conftest import chart, gateway_api, http_routes, stage, token
from tests.integration.operator.proxy import Proxy
from tests.integration.operator.stage import Stage, new_name

if TYPE_CHECKING:
    from tests.servers import PostgresProcess

__all__ = ["chart", "gateway_api", "http_routes", "stage", "token"]


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Starts operators in a fraction of a second."""
    forks = Forks()
    yield forks
    forks.close()


@pytest.fixture(scope="module")
def engine(stage: Stage, postgres: PostgresProcess, forks: Forks) -> Iterator[Engine]:
    """Ready to run cases; in the end the bystander must be as it was."""
    stage.launch = lambda arguments, environment, log: forks.start(arguments, {**os.environ, **environment}, log)
    world = World(stage)

    def end(death: Death) -> None:
        process = stage.started[-1].process
        process.terminate() if death.replaced else process.kill()

    injector = Injector(end, world.owner_of, lambda name, body: untrue(world, name, body))
    api = Proxy(stage.api, before=injector.before, after=injector.after)
    api.seen = injector.seen
    with api, PostgresProxy(postgres, injector.meet_statement, injector.strike) as sql, Backstage(stage).playing():
        engine = Engine(world, new_name("bystander"), api, sql, injector)
        with engine.life():
            world.create(engine.bystander)
            stage.wait_for("Workspace", engine.bystander)
            stage.available_deployment(engine.bystander, image=NEXT_IMAGE)
        before = engine.bystanding()
        yield engine
        assert engine.bystanding() == before
