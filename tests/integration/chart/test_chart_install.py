"""The chart on a real API server with nothing prepared: installed, upgraded, removed; and what its rights allow.

No pods run here; that they start and work is for tests/cluster.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentosctl.cli import main as agentosctl
from local import controlplane
from local.pki import Identity
from local.steps import wait_until
from tests.integration.chart.bench import CHART, NAMESPACE, Bench

OPERATOR = f"system:serviceaccount:{NAMESPACE}:agentos-operator"
OURS = "agentos.hyvve.io"
PERSISTENT = ("--set", "database.embedded.persistence.enabled=true")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """An API server of its own, without our CRDs, with the chart installed by its default values."""
    with controlplane.running() as plane:
        bench = Bench(plane)
        bench.helm("install", "agentos", str(CHART), "--create-namespace")
        bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        yield bench


def _explained(bench: Bench, path: str) -> bool:
    return "One customer's isolated place" in bench.run("kubectl", "explain", path).stdout


def test_both_resources_are_served_and_explained(bench: Bench) -> None:
    # kubectl finds a kind a moment after the API server has established it.
    wait_until(lambda: _explained(bench, "workspace"), what="discovery", timeout=60, advice="")
    assert "agno" in bench.kubectl("explain", "agentdeployment.spec.agents")
    assert "workspaces.agentos.hyvve.io" in bench.kubectl("get", "crd", "-o", "name")


def test_an_upgrade_keeps_the_password_and_upgrades_the_resources(bench: Bench, tmp_path: Path) -> None:
    before = bench.password()
    assert len(before) == 40
    newer = tmp_path / "agentos"
    shutil.copytree(CHART, newer)
    template = newer / "templates" / "crds" / "workspaces.yaml"
    template.write_text(template.read_text().replace("One customer", "A renamed customer"))
    bench.helm("upgrade", "agentos", str(newer))
    assert "A renamed customer" in bench.kubectl("get", "crd", "workspaces.agentos.hyvve.io", "-o", "yaml")
    assert bench.password() == before
    bench.helm("upgrade", "agentos", str(CHART))
    assert bench.password() == before


def test_values_of_another_kind_upgrade_in_place(bench: Bench) -> None:
    flags = ("--set", "replicas=2", "--set", "routing.mode=Ingress", "--set", "routing.ingress.className=nginx")
    source = ("--set", "routing.sourceNamespaces={ingress-nginx}")
    bench.helm("upgrade", "agentos", str(CHART), *flags, *source)
    config = bench.kubectl("-n", NAMESPACE, "get", "configmap", "agentos-operator", "-o=jsonpath={.data.config\\.yaml}")
    assert yaml.safe_load(config)["routing"]["ingress"]["className"] == "nginx"
    bench.helm("upgrade", "agentos", str(CHART), "--reset-values")


def test_a_second_release_is_refused_instead_of_taking_over(bench: Bench) -> None:
    done = bench.run("helm", "-n", "other", "install", "agentos", str(CHART), "--create-namespace")
    assert done.returncode != 0
    assert "invalid ownership metadata" in done.stderr


def test_the_operator_binds_the_tenant_role_and_no_other(bench: Bench) -> None:
    bench.kubectl("create", "namespace", "ws-bound")
    as_operator = ("create", "rolebinding", "x", f"--as={OPERATOR}", f"--serviceaccount={NAMESPACE}:agentos-operator")
    for stronger in ("cluster-admin", "admin", "agentos-platform-admin"):
        done = bench.run("kubectl", "-n", "ws-bound", *as_operator, f"--clusterrole={stronger}")
        assert "forbidden" in done.stderr
    assert not bench.may(OPERATOR, "get", "secrets", "ws-bound")
    bench.kubectl("-n", "ws-bound", *as_operator, "--clusterrole=agentos-operator-tenant")
    for verb in ("get", "create", "patch", "delete"):
        assert bench.may(OPERATOR, verb, "secrets", "ws-bound")
    for verb in ("list", "watch", "update", "deletecollection"):
        assert not bench.may(OPERATOR, verb, "secrets", "ws-bound")
    assert not bench.may(OPERATOR, "get", "secrets", "default")
    # It runs the isolation probe there, and enters no pod.
    assert bench.may(OPERATOR, "create", "pods", "ws-bound")
    assert not bench.may(OPERATOR, "create", "pods", "default")
    assert not bench.may(OPERATOR, "create", "pods/exec", "ws-bound")


def test_the_operator_cannot_join_a_binding_of_another_role(bench: Bench) -> None:
    """It may patch RoleBindings in the whole cluster, to repair its own; this is why that gives it nothing more."""
    bench.kubectl("-n", "default", "create", "rolebinding", "people", "--clusterrole=admin", "--user=alice")
    account = {"kind": "ServiceAccount", "name": "agentos-operator", "namespace": NAMESPACE}
    patch = ("patch", "rolebinding", "people", "--type=merge", f"--patch={json.dumps({'subjects': [account]})}")
    done = bench.run("kubectl", "-n", "default", *patch, f"--as={OPERATOR}")
    assert "forbidden" in done.stderr
    assert "alice" in bench.kubectl("-n", "default", "get", "rolebinding", "people", "-o", "yaml")


def test_the_operator_cannot_change_its_own_roles(bench: Bench) -> None:
    for kind, group in (
        ("clusterroles", "rbac.authorization.k8s.io"),
        ("clusterrolebindings", "rbac.authorization.k8s.io"),
        ("customresourcedefinitions", "apiextensions.k8s.io"),
        ("serviceaccounts/token", ""),
    ):
        for verb in ("create", "update", "patch", "delete", "escalate"):
            assert not bench.may(OPERATOR, verb, kind, group=group), (verb, kind)
    assert bench.may(OPERATOR, "patch", "workspaces", group=OURS)
    for verb in ("create", "update", "delete"):
        assert not bench.may(OPERATOR, verb, "workspaces", group=OURS)
    assert not bench.may(OPERATOR, "patch", "agentdeployments", group=OURS)


def test_the_clusters_own_roles_reach_agent_deployments_but_never_workspaces(bench: Bench) -> None:
    bench.kubectl("create", "namespace", "ws-people")
    for role in ("view", "edit", "admin"):
        bench.kubectl("-n", "ws-people", "create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}")

    def may(who: str, verb: str, kind: str = "agentdeployments") -> bool:
        return bench.may(who, verb, kind, "ws-people", OURS)

    wait_until(lambda: may("admin", "create"), what="aggregation", timeout=60, advice="")
    wait_until(lambda: may("view", "list"), what="aggregation", timeout=60, advice="")
    assert not may("view", "create")
    assert may("edit", "patch", "agentdeployments/scale")
    for who in ("view", "edit", "admin"):
        assert not may(who, "get", "workspaces")
        assert not may(who, "patch", "agentdeployments/status")


def documented_role() -> str:
    """The Role of docs/cli.md."""
    return (CHART.parents[1] / "docs" / "cli.md").read_text().partition("```yaml\n")[2].partition("```")[0]


def test_agentosctl_names_the_rights_that_a_person_lacks(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the API server's own refusals, and again with the right granted."""
    bench.kubectl("create", "namespace", "ws-nobody")
    jwt: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "agentos-jwt", "namespace": "ws-nobody"},
        "stringData": {"secret": "x" * 43, "issuer": "agentos.hyvve.io", "audience": "uid", "workspace": "nobody"},
    }
    bench.kubectl("apply", "-f", "-", text=json.dumps(jwt))
    server = f"https://{bench.plane.address}:{bench.plane.port}"
    config = bench.plane.pki.kubeconfig(tmp_path / "config", Identity("nobody", "nobody"), server)
    ask = ["token", "nobody", "--user", "alice", "--scope", "agents:run", "--kubeconfig", str(config)]
    assert agentosctl(ask) == 1
    assert "you may not get secrets in the namespace ws-nobody" in capsys.readouterr().err
    assert agentosctl(["status", "--kubeconfig", str(config)]) == 1
    assert "you may not list workspaces" in capsys.readouterr().err
    bench.kubectl("apply", "-f", "-", text=documented_role().replace("ws-acme", "ws-nobody"))
    binding = ("rolebinding", "signer", "--role=token-signer", "--user=nobody")
    bench.kubectl("-n", "ws-nobody", "create", *binding)
    wait_until(lambda: agentosctl(ask) == 0, what="the right", timeout=60, advice="")
    assert capsys.readouterr().out.count(".") == 2
    assert agentosctl(["status", "nobody", "--kubeconfig", str(config)]) == 0
    assert "you may not list agentdeployments" in capsys.readouterr().out


def test_agentosctl_reads_as_the_administrator(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    admin = ["--kubeconfig", str(bench.plane.kubeconfig("admin"))]
    assert agentosctl(["status", *admin]) == 0
    assert capsys.readouterr().out == "There are no workspaces.\n"
    assert agentosctl(["status", "nowhere", *admin]) == 1
    assert "there is no Workspace nowhere" in capsys.readouterr().err


def test_removal_leaves_the_resources_and_the_password_of_a_kept_volume(bench: Bench) -> None:
    bench.helm("uninstall", "agentos", "--wait")
    bench.helm("install", "agentos", str(CHART), *PERSISTENT)
    before = bench.password()
    bench.helm("uninstall", "agentos", "--wait")
    crds = bench.kubectl("get", "crd", "-o", "name")
    assert "workspaces.agentos.hyvve.io" in crds
    assert "agentdeployments.agentos.hyvve.io" in crds
    bench.helm("install", "agentos", str(CHART), *PERSISTENT)
    assert bench.password() == before
