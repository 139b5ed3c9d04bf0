"""Credentials are replaced, and the spec changed, under a load through the gateway: no request fails.

The minutes in which tokens of the earlier secret run out are left to `make bench`, and their end to the integration
tests.
"""

from __future__ import annotations

import asyncio

import pytest

from bench import rollouts
from bench.cluster import Place
from tests.cluster.tenancy import Tenancy


@pytest.mark.usefixtures("long_stream")
def test_no_request_fails_while_credentials_are_rotated_and_the_spec_changes(tenancy: Tenancy) -> None:
    place = Place(tenancy.kubeconfig, tenancy.port, runtime_image="", operator_image="")
    entries, details = asyncio.run(rollouts.run(rollouts.Plan(to_the_end=False), place))
    assert [each.ours for each in entries] == [0, 0], details
    assert all(details[phase]["requests"] > 100 for phase in ("rotation", "rollout"))
