"""Hosts of one's own and suspended deployments, as callers see them through the gateway."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.cluster.tenancy import Tenancy, ask, eventually

HOST = "agents.example.com"


@pytest.fixture
def both(globex: Tenancy) -> Iterator[Tenancy]:
    """Two workspaces that were granted the same host; in the end neither has it."""
    grant = f'{{"spec":{{"routing":{{"hosts":["{HOST}"]}}}}}}'
    for name in ("acme", "globex"):
        globex.kubectl("patch", "workspace", name, "--type=merge", "-p", grant)
    yield globex
    for name in ("acme", "globex"):
        wish(globex, name, None)
        globex.kubectl("patch", "workspace", name, "--type=merge", "-p", '{"spec":{"routing":null}}')
        globex.wait("agentdeployment", "support", f"ws-{name}")


def wish(tenancy: Tenancy, name: str, host: str | None) -> None:
    """Have the workspace's deployment ask for ``host``, or for none."""
    value = f'{{"host":"{host}"}}' if host else "null"
    patch = f'{{"spec":{{"routing":{value}}}}}'
    tenancy.kubectl("patch", "agentdeployment", "support", "-n", f"ws-{name}", "--type=merge", "-p", patch)


def status_of(tenancy: Tenancy, host: str, bearer: str) -> int:
    """Status code of one question to ``host`` through the gateway."""
    headers = {"Host": host, "Authorization": f"Bearer {bearer}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{tenancy.port}", headers=headers, timeout=60, verify=False) as client:
        return ask(client, "hello").status_code


def test_the_first_holder_answers_at_a_host_and_the_second_only_after_it_let_go(both: Tenancy) -> None:
    acme, globex = both.token("acme"), both.token("globex")
    wish(both, "acme", HOST)
    both.wait("agentdeployment", "support", "ws-acme")
    assert eventually(lambda: status_of(both, HOST, acme) == 200)
    wish(both, "globex", HOST)
    both.wait("agentdeployment", "support", "ws-globex", "HostTaken")
    assert status_of(both, HOST, acme) == 200
    assert status_of(both, HOST, globex) == 401
    assert status_of(both, "support--globex.agents.localhost", globex) == 200
    wish(both, "acme", None)
    both.wait("agentdeployment", "support", "ws-globex")
    assert eventually(lambda: status_of(both, HOST, globex) == 200)
    assert status_of(both, "support--acme.agents.localhost", acme) == 200


def test_a_suspended_deployment_is_not_there_for_callers_until_that_ends(tenancy: Tenancy) -> None:
    host, bearer = "support--acme.agents.localhost", tenancy.token("acme")
    suspend = ("patch", "agentdeployment", "support", "-n", "ws-acme", "--type=merge", "-p")
    tenancy.kubectl(*suspend, '{"spec":{"suspended":true}}')
    eventually(lambda: status_of(tenancy, host, bearer) == 404)
    assert "url" not in tenancy.get("agentdeployment", "support", "ws-acme")["status"]
    tenancy.kubectl(*suspend, '{"spec":{"suspended":false}}')
    tenancy.wait("agentdeployment", "support", "ws-acme")
    assert eventually(lambda: status_of(tenancy, host, bearer) == 200)
