"""On a cluster: no secret of two tenants stands where others read, after all the other tests have run.

Called last by its name; whatever runs before it has made logs and Events for it to look through.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from local import demo
from tests.cluster.isolation.verifying import verify
from tests.cluster.tenancy import Tenancy, ask

TENANTS = ("acme", "globex")
NAMESPACES = (demo.NAMESPACE, "envoy-gateway-system", *(f"ws-{name}" for name in TENANTS))
PUBLIC_KEYS = {"schema", "username", "host", "port", "database", "issuer", "audience", "workspace", "sslmode", "ca.crt"}
"""Keys of Secrets whose values are no secrets."""
DESCRIBED = "workspaces,agentdeployments,deployments,pods,configmaps,services,networkpolicies,resourcequotas,secrets"


def planted(tenancy: Tenancy) -> Iterator[tuple[str, str]]:
    """Every secret value in these namespaces, under a name that a failure may show."""
    for namespace in NAMESPACES:
        for secret in tenancy.list("secrets", namespace):
            kind, name = secret["type"], secret["metadata"]["name"]
            if kind != "Opaque" or name.startswith("envoy"):
                continue
            for key, value in secret.get("data", {}).items():
                text = base64.b64decode(value).decode(errors="replace")
                if key not in PUBLIC_KEYS and len(text) >= 12:
                    yield f"{key} of Secret {namespace}/{name}", text


def read(tenancy: Tenancy) -> Iterator[tuple[str, str]]:
    """Everything that people and log collectors read."""
    for namespace in NAMESPACES:
        for pod in tenancy.list("pods", namespace):
            name = pod["metadata"]["name"]
            yield f"log of {name}", tenancy.kubectl("logs", name, "-n", namespace, "--all-containers", check=False)
    yield "Events", tenancy.kubectl("get", "events", "-A", "-o", "json")
    for kind in ("workspaces", "agentdeployments", "deployments", "pods", "configmaps", "httproutes"):
        yield f"all {kind}", tenancy.kubectl("get", kind, "-A", "-o", "json")
    yield "kubectl describe", tenancy.kubectl("describe", "workspaces")
    for namespace in NAMESPACES:
        yield f"kubectl describe in {namespace}", tenancy.kubectl("describe", DESCRIBED, "-n", namespace, check=False)
    yield "what sessions run", tenancy.psql("SELECT query FROM pg_stat_activity")
    yield "settings of roles", tenancy.psql("SELECT rolname, setconfig FROM pg_db_role_setting, pg_roles")


@pytest.fixture(scope="module")
def busy(globex: Tenancy) -> Tenancy:
    """Both tenants have asked, been refused and been probed."""
    for name in TENANTS:
        with globex.client("support", name, globex.token(name)) as client:
            assert ask(client, "hello").status_code == 200
        with globex.client("support", name, "planted-bad-token") as client:
            assert ask(client, "hello").status_code == 401
    verify(globex)
    return globex


def test_no_secret_stands_where_others_read(busy: Tenancy) -> None:
    secrets = dict(planted(busy))
    assert {name.split()[0] for name in secrets} >= {"password", "url", "secret", "verification-secrets"}
    token = busy.token("acme")
    with busy.client("support", "acme", token) as client:
        assert ask(client, "hello").status_code == 200
    secrets |= {"a token that was used": token, "its signature": token.rpartition(".")[2], "a bad token": "planted-bad"}
    leaks = [(name, place) for place, text in read(busy) for name, value in secrets.items() if value in text]
    assert leaks == []


def test_the_probes_pod_told_nothing_but_counts(busy: Tenancy) -> None:
    told = json.dumps(busy.get("workspace", "globex")["status"])
    assert not [name for name, value in planted(busy) if value in told]
