"""Deployments over time: bad specs, broken roll-outs, drift, restarts, a database that goes away, deletion."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.cluster.tenancy import Tenancy, agent_deployment, ask, eventually, model_key, workspace


def _answers(tenancy: Tenancy, deployment: str, workspace_name: str) -> int:
    """Status code of one question, 0 for none."""
    try:
        with tenancy.client(deployment, workspace_name, tenancy.token(workspace_name)) as client:
            return ask(client, "hello").status_code
    except httpx.HTTPError:
        return 0


def _pods(tenancy: Tenancy, namespace: str) -> dict[str, int]:
    """Restarts of each runtime pod by the pod's UID."""
    return {
        pod["metadata"]["uid"]: sum(c["restartCount"] for c in pod["status"]["containerStatuses"])
        for pod in tenancy.list("pods", namespace)
    }


def _staying(tenancy: Tenancy) -> list[dict[str, Any]]:
    """Runtimes of globex but for those on their way out."""
    pods = tenancy.list("pods", "ws-globex")
    return [
        pod
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"] and "agentos.hyvve.io/deployment" in pod["metadata"]["labels"]
    ]


def _with_agent(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    agent = {**document["spec"]["agents"][0], **changes}
    return {**document, "spec": {**document["spec"], "agents": [agent]}}


def test_a_spec_the_runtime_cannot_use_is_explained_in_its_own_words_and_healed(globex: Tenancy) -> None:
    good = agent_deployment("globex", "trial")
    globex.apply(_with_agent(good, model={"id": "no-such-provider:x"}))
    said = globex.wait("agentdeployment", "trial", "ws-globex", "UnknownModelProvider")
    assert "no-such-provider" in said["message"]
    globex.apply(_with_agent(good, tools=[{"toolkit": "no_such_toolkit"}]))
    said = globex.wait("agentdeployment", "trial", "ws-globex", "UnknownToolkit")
    assert "no_such_toolkit" in said["message"]
    globex.apply(good)
    globex.wait("agentdeployment", "trial", "ws-globex")
    assert eventually(lambda: _answers(globex, "trial", "globex") == 200)
    globex.kubectl("delete", "agentdeployment", "trial", "-n", "ws-globex")
    children = ("deployment", "service", "configmap", "httproute", "poddisruptionbudget")
    eventually(
        lambda: (
            not any("trial" in str(each["metadata"]) for kind in children for each in globex.list(kind, "ws-globex"))
        )
    )


def test_a_broken_spec_never_replaces_a_working_one(globex: Tenancy) -> None:
    good = agent_deployment("globex")
    globex.apply(_with_agent(good, tools=[{"toolkit": "no_such_toolkit"}]))
    globex.wait("agentdeployment", "support", "ws-globex", "UnknownToolkit")
    assert _answers(globex, "support", "globex") == 200
    globex.apply(good)
    globex.wait("agentdeployment", "support", "ws-globex")


def test_an_image_that_cannot_be_pulled_and_a_quota_that_is_full_say_so(globex: Tenancy) -> None:
    globex.apply(agent_deployment("globex", "pull", image="localhost/there-is-none:1"))
    said = globex.wait("agentdeployment", "pull", "ws-globex", "ImagePullFailed")
    assert "localhost/there-is-none:1" in said["message"]
    huge = {"requests": {"cpu": "100", "memory": "1Gi"}, "limits": {"cpu": "100", "memory": "1Gi"}}
    globex.apply(agent_deployment("globex", "pull", resources=huge))
    said = globex.wait("agentdeployment", "pull", "ws-globex", "QuotaExceeded")
    assert "spec.quota" in said["message"]
    globex.kubectl("delete", "agentdeployment", "pull", "-n", "ws-globex")


def test_a_runtime_class_that_is_missing_is_told_while_the_agent_answers_and_then_used(globex: Tenancy) -> None:
    sandbox = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "sandbox"}}
    change = ("patch", "workspace", "globex", "--type=merge", "-p")
    globex.kubectl(*change, json.dumps({"spec": {"runtimeClassName": "sandbox"}}))
    try:
        said = globex.wait("agentdeployment", "support", "ws-globex", "PodRefused")
        assert "sandbox" in said["message"]
        assert "spec.runtimeClassName" in said["message"]
        assert _answers(globex, "support", "globex") == 200
        globex.apply({**sandbox, "handler": "runc"})
        globex.wait("agentdeployment", "support", "ws-globex")
        eventually(lambda: {pod["spec"].get("runtimeClassName") for pod in _staying(globex)} == {"sandbox"})
        assert _answers(globex, "support", "globex") == 200
    finally:
        globex.kubectl(*change, json.dumps({"spec": {"runtimeClassName": None}}))
        globex.wait("agentdeployment", "support", "ws-globex")
        globex.kubectl("delete", "runtimeclass", "sandbox", "--ignore-not-found")


def test_drift_is_repaired_while_the_agent_answers(globex: Tenancy) -> None:
    before = globex.get("networkpolicy", "agentos-default-deny", "ws-globex")["metadata"]["uid"]
    globex.kubectl("delete", "networkpolicy", "agentos-default-deny", "-n", "ws-globex")
    globex.kubectl("delete", "deployment", "support", "-n", "ws-globex", "--wait=false")

    def restored() -> bool:
        found = [policy["metadata"]["uid"] for policy in globex.list("networkpolicy", "ws-globex")]
        return len(found) == 3 and before not in found

    eventually(restored)
    eventually(lambda: globex.condition("agentdeployment", "support", "ws-globex").get("reason") == "Ready", 120)
    assert eventually(lambda: _answers(globex, "support", "globex") == 200)


def test_a_new_operator_restarts_no_runtime(tenancy: Tenancy) -> None:
    before = _pods(tenancy, "ws-acme")
    tenancy.kubectl("rollout", "restart", "deployment/agentos-operator", "-n", "agentos-system")
    tenancy.kubectl("rollout", "status", "deployment/agentos-operator", "-n", "agentos-system", "--timeout=120s")
    tenancy.apply(workspace("initech"))
    tenancy.wait("workspace", "initech")
    assert _pods(tenancy, "ws-acme") == before
    tenancy.kubectl("delete", "workspace", "initech", "--timeout=60s")


def test_a_database_that_goes_away_is_503_without_its_address_and_comes_back(tenancy: Tenancy) -> None:
    before = _pods(tenancy, "ws-acme")
    password = tenancy.secret_value("agentos-database", "ws-acme", "password")
    # Packets are dropped, also those of open connections: the outage that hangs instead of refusing.
    policy = ("networkpolicy", "agentos-postgres", "-n", "agentos-system", "--type=json", "-p")
    opening = tenancy.get("networkpolicy", "agentos-postgres", "agentos-system")["spec"]["ingress"]
    tenancy.kubectl("patch", *policy, json.dumps([{"op": "replace", "path": "/spec/ingress", "value": []}]))
    try:
        with tenancy.client("support", "acme", tenancy.token("acme")) as client:
            answer = eventually(lambda: _unavailable(client), 90)
            assert answer is not None
    finally:
        tenancy.kubectl("patch", *policy, json.dumps([{"op": "replace", "path": "/spec/ingress", "value": opening}]))
    assert password not in answer.text
    assert "postgresql" not in answer.text
    assert eventually(lambda: _answers(tenancy, "support", "acme") == 200, 120)
    assert _pods(tenancy, "ws-acme") == before
    tenancy.wait("workspace", "acme")


def _unavailable(client: httpx.Client) -> httpx.Response | None:
    answer = ask(client, "hello")
    return answer if answer.status_code == 503 else None


def test_deleting_a_workspace_drops_or_keeps_its_data_as_it_said(tenancy: Tenancy) -> None:
    for policy, remains in (("Delete", False), ("Retain", True)):
        name = policy.lower()
        tenancy.apply(workspace(name, deletionPolicy=policy))
        tenancy.wait("workspace", name)
        schema = tenancy.get("workspace", name)["status"]["database"]["schema"]
        tenancy.apply(model_key(name), agent_deployment(name))
        tenancy.wait("agentdeployment", "support", f"ws-{name}")
        tenancy.kubectl("delete", "workspace", name, "--timeout=120s")
        assert tenancy.kubectl("get", "namespace", f"ws-{name}", "--ignore-not-found") == ""
        found = tenancy.psql(f"SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'").strip()
        assert found == ("1" if remains else "0")
