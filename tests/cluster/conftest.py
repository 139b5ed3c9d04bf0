"""A whole local cluster of its own for these tests: the chart, the example workspace and a second, hostile tenant.

It has a name of its own, so it neither needs nor disturbs what ``make up`` started, and it ends with the session.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest

from local import cluster as local_cluster
from local import demo
from tests.cluster.desk import documents
from tests.cluster.tenancy import Tenancy, agent_deployment, model_key, workspace
from tests.integration.kept import KeptApi

NAME = "agentos-test"
MINUTES = 3
"""Of the long stream."""


@pytest.fixture(scope="session")
def tenancy() -> Iterator[Tenancy]:
    """The cluster with the quick start on it: workspace ``acme`` with its agent ``support``."""
    if os.geteuid() != 0:
        pytest.fail("the local cluster needs root; run `make test` as root")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    found = demo.ensure_images()
    try:
        running = local_cluster.up(NAME, port=port, extra=found.values())
        place = demo.Place(running.kubeconfig, port, running.load)
        with closing(KeptApi(running.kubeconfig)) as api:
            yield Tenancy(running.kubeconfig, port, demo.run(place, found), api)
    finally:
        local_cluster.down(NAME)


@pytest.fixture(scope="session")
def desk(tenancy: Tenancy) -> Tenancy:
    """A workspace with knowledge and a schedule. Nobody waits for it here: its first minute passes with other tests."""
    tenancy.apply(*documents())
    return tenancy


@pytest.fixture(scope="session")
def globex(tenancy: Tenancy) -> Tenancy:
    """A second tenant with a deployment of its own."""
    tenancy.apply(workspace("globex", deletionPolicy="Delete"))
    tenancy.wait("workspace", "globex")
    tenancy.apply(model_key("globex"), agent_deployment("globex"))
    tenancy.wait("agentdeployment", "support", "ws-globex")
    return tenancy


@pytest.fixture(scope="session")
def long_stream(tenancy: Tenancy) -> Iterator[Future[list[str]]]:
    """The lines of a run of minutes whose model says a word each minute.

    ``test_rotation`` begins it and ``test_rotation_streams`` looks at it in the end: what they do takes as long.
    """
    with ThreadPoolExecutor() as pool:
        yield pool.submit(_listen, tenancy)


def _listen(tenancy: Tenancy) -> list[str]:
    words = " ".join(f"word{number}" for number in range(MINUTES))
    form = {"message": f"wait {60 * MINUTES} {words}", "stream": "true"}
    with (
        tenancy.client("support", "acme", tenancy.token("acme")) as client,
        client.stream("POST", "/agents/support/runs", data=form) as answer,
    ):
        return list(answer.iter_lines())
