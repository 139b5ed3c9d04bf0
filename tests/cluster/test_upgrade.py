"""The operator is replaced by an upgrade of the chart, with callers: no tenant notices.

What an earlier release becomes is left to `make bench`, which builds one.
"""

from __future__ import annotations

import asyncio

from bench.agent import MESSAGE, PATH
from bench.connection import question
from bench.held_load import HeldLoad, Tally
from local import demo
from tests.cluster import release
from tests.cluster.tenancy import Tenancy, eventually


def test_an_upgrade_of_the_operator_fails_no_request_and_replaces_no_pod_of_a_tenant(tenancy: Tenancy) -> None:
    before = eventually(lambda: _at_rest(tenancy))
    operator = {pod["metadata"]["uid"] for pod in tenancy.list("pods", demo.NAMESPACE)}
    try:
        seen = asyncio.run(_upgraded_under_load(tenancy))
        assert seen.failures == []
        assert seen.requests > 20
        assert {pod["metadata"]["uid"] for pod in tenancy.list("pods", demo.NAMESPACE)} - operator
    finally:
        release.restore(tenancy)
    tenancy.wait("agentdeployment", "support", "ws-acme")
    assert eventually(lambda: _at_rest(tenancy)) == before


async def _upgraded_under_load(tenancy: Tenancy) -> Tally:
    token = tenancy.token("acme", "agents:run")
    request = question(
        PATH, {"message": MESSAGE, "stream": "false"}, host=f"support--acme.{demo.BASE_DOMAIN}", token=token
    )

    async def ask() -> bytes:
        return request

    async with HeldLoad(tenancy.port, ask, in_flight=2, pause=0.2) as load:
        await asyncio.to_thread(release.upgrade, tenancy, podAnnotations={"example.com/upgraded": "once"})
        await asyncio.to_thread(tenancy.wait, "agentdeployment", "support", "ws-acme")
        return load.tally


def _at_rest(tenancy: Tenancy) -> list[tuple[str, int]]:
    """Each runtime of the tenant and how often it restarted; empty while one is on its way out."""
    pods = [each for each in tenancy.list("pods", "ws-acme") if each["metadata"]["name"].startswith("support-")]
    if any("deletionTimestamp" in pod["metadata"] for pod in pods):
        return []
    statuses = ((pod["metadata"]["uid"], pod["status"].get("containerStatuses", ())) for pod in pods)
    return sorted((uid, each["restartCount"]) for uid, found in statuses for each in found)
