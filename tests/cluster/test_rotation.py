"""Credentials are replaced, and the spec changed, under a load through the gateway: no request fails.

The minutes in which tokens of the earlier secret run out are left to `make bench`, and their end to the integration
tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from bench import rollouts
from bench.cluster import Place
from tests.cluster.tenancy import Tenancy

MINUTES = 3


@pytest.fixture(scope="module")
def long_stream(tenancy: Tenancy) -> Iterator[Future[list[str]]]:
    """The lines of a run of minutes whose model says a word each minute, begun before all of this module."""
    with ThreadPoolExecutor() as pool:
        yield pool.submit(_listen, tenancy)


def _listen(tenancy: Tenancy) -> list[str]:
    form = {
        "message": f"wait {60 * MINUTES} " + " ".join(f"word{number}" for number in range(MINUTES)),
        "stream": "true",
    }
    with (
        tenancy.client("support", "acme", tenancy.token("acme")) as client,
        client.stream("POST", "/agents/support/runs", data=form) as answer,
    ):
        return list(answer.iter_lines())


@pytest.mark.usefixtures("long_stream")
def test_no_request_fails_while_credentials_are_rotated_and_the_spec_changes(tenancy: Tenancy) -> None:
    place = Place(tenancy.kubeconfig, tenancy.port, runtime_image="", operator_image="")
    entries, details = asyncio.run(rollouts.run(rollouts.Plan(to_the_end=False), place))
    assert [each.ours for each in entries] == [0, 0], details
    assert all(details[phase]["requests"] > 100 for phase in ("rotation", "rollout"))


def test_a_stream_of_minutes_comes_whole_through_the_gateway(long_stream: Future[list[str]]) -> None:
    lines = long_stream.result()
    assert [f"word{number}" in "".join(lines) for number in range(MINUTES)] == [True] * MINUTES
    assert "event: RunCompleted" in lines
    assert lines.count(": ping") >= 2 * MINUTES, "the silence between two words is filled"
