"""Pods whose workspace has a database of its own, and pods on a PostgreSQL that admits nobody without TLS: they answer.

The second server is found out by the operator from its host alone, so its policies are tried too.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.cluster import second_server
from tests.cluster.isolation.verifying import verify
from tests.cluster.release import restore, upgrade
from tests.cluster.tenancy import Tenancy, agent_deployment, ask, eventually, model_key, workspace

PLACES = {"own": ("default", "Database"), "tls": ("second", "Schema"), "tls-own": ("second", "Database")}
"""By workspace, its server and how its data is isolated there."""


@pytest.fixture(scope="module")
def servers(tenancy: Tenancy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenancy]:
    """Both servers, and a workspace with an agent in each place."""
    second_server.install(tenancy, tmp_path_factory.mktemp("pki"))
    upgrade(tenancy, database={"servers": [second_server.SERVER]})
    for name, (server, isolation) in PLACES.items():
        database = {"server": server, "isolation": isolation, "connectionLimit": 20}
        tenancy.apply(workspace(name, deletionPolicy="Delete", database=database))
    for name in PLACES:
        tenancy.wait("workspace", name)
        tenancy.apply(model_key(name), agent_deployment(name))
    for name in PLACES:
        tenancy.wait("agentdeployment", "support", f"ws-{name}")
    yield tenancy
    for name in PLACES:
        tenancy.kubectl("delete", "workspace", name, "--timeout=120s")
    restore(tenancy)
    tenancy.kubectl("delete", "namespace", second_server.NAMESPACE, "--wait=false")


def psql(tenancy: Tenancy, name: str, query: str) -> str:
    """A superuser's query where the workspace's data is."""
    database = tenancy.get("workspace", name)["status"]["database"]["database"]
    if PLACES[name][0] == "second":
        return second_server.psql(tenancy, database, query).strip()
    where = ("-n", "agentos-system", "statefulset/agentos-postgres", "-c", "postgres", "--")
    command = ("psql", "-U", "postgres", "-d", database, "-At", "-v", "ON_ERROR_STOP=1", "-c", query)
    return tenancy.kubectl("exec", *where, *command).strip()


def question(client: httpx.Client, session: str) -> httpx.Response:
    """A question that the gateway's proxies know the way for."""
    found: list[httpx.Response] = []

    def answered() -> bool:
        found[:] = [ask(client, "hello", session_id=session)]
        return found[0].status_code not in {404, 503}

    eventually(answered, 30)
    return found[0]


@pytest.mark.parametrize("name", PLACES)
def test_an_agent_answers_and_its_session_is_stored_where_the_workspace_says(servers: Tenancy, name: str) -> None:
    with servers.client("support", name, servers.token(name)) as client:
        assert question(client, f"kept-{name}").json()["status"] == "COMPLETED"
    status = servers.get("workspace", name)["status"]["database"]
    assert (status["database"] == "agentos") is (PLACES[name][1] == "Schema")
    schema = servers.secret_value("agentos-database", f"ws-{name}", "schema")
    stored = psql(servers, name, f"SELECT count(*) FROM {schema}.agno_sessions WHERE session_id = 'kept-{name}'")
    assert stored == "1"


@pytest.mark.parametrize("name", [name for name, (server, _) in PLACES.items() if server == "second"])
def test_a_runtime_verifies_its_server_and_talks_to_it_by_tls_alone(servers: Tenancy, name: str) -> None:
    url = servers.secret_value("agentos-database", f"ws-{name}", "url")
    assert "sslmode=verify-full" in url
    assert f"@{second_server.HOST}:5432/" in url
    login = servers.secret_value("agentos-database", f"ws-{name}", "username")
    with servers.client("support", name, servers.token(name)) as client:
        assert question(client, "encrypted").status_code == 200
    query = (
        "SELECT bool_and(ssl), count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        f"WHERE usename = '{login}'"
    )
    assert psql(servers, name, query) == "t|t"


def test_the_policy_leads_to_the_pods_behind_the_service_on_their_own_port(servers: Tenancy) -> None:
    egress = servers.get("networkpolicy", "agentos-openings", "ws-tls")["spec"]["egress"]
    (found,) = [rule for rule in egress if second_server.NAMESPACE in str(rule)]
    assert found["ports"] == [{"port": 6432, "protocol": "TCP"}]
    assert found["to"][0]["podSelector"]["matchLabels"] == {"app": "postgres"}
    assert servers.condition("workspace", "tls", type_="NetworkReady") == {}, "all was found"


@pytest.mark.parametrize("name", PLACES)
def test_isolation_holds_in_each_place(servers: Tenancy, name: str) -> None:
    told = verify(servers, name)
    assert told["status"] == "True", told
