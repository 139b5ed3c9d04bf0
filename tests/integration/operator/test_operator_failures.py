"""Every cause that keeps a resource from being ready has a name and advice in a condition, and when it goes, all heals
by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import (
    ADMIN_PASSWORD,
    OperatorProcess,
    Stage,
    agent_deployment,
    condition,
    new_name,
    secret,
)

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture(scope="module")
def place(stage: Stage, operator: OperatorProcess) -> str:
    return f"ws-{stage.ready_workspace()}"


@contextmanager
def postgres_down(stage: Stage) -> Iterator[None]:
    stage.postgres.stop()
    try:
        yield
    finally:
        stage.postgres.start()


def test_postgresql_down_at_creation(stage: Stage) -> None:
    name = new_name()
    with postgres_down(stage):
        stage.apply_workspace(name)
        body = stage.wait_for("Workspace", name, status="False", reason="DatabaseUnavailable")
        assert condition(body, "Reconciling")["status"] == "True"
        assert condition(body, "NamespaceReady")["status"] == "True"
    stage.wait_for("Workspace", name)
    assert stage.can_log_in(f"ws-{name}")


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_postgresql_down_at_deletion_keeps_the_namespace_until_the_data_is_taken_care_of(
    stage: Stage, policy: str
) -> None:
    name = stage.ready_workspace(deletionPolicy=policy)
    names = stage.names(stage.child("Workspace", "", name))
    with postgres_down(stage):
        stage.api.delete("Workspace", name)
        stage.wait_for("Workspace", name, status="False", reason="DatabaseUnavailable")
        assert "deletionTimestamp" not in stage.child("Namespace", "", f"ws-{name}")["metadata"]
    stage.wait_for("Workspace", name, status="False", reason="NamespaceTerminating")
    assert stage.has_schema(names) == (policy == "Retain")
    assert not any(stage.roles(names).values())


def test_wrong_credentials_of_the_operator_are_used_anew_when_the_file_is_corrected(stage: Stage) -> None:
    name = new_name()
    file = stage.credentials / "password"
    with postgres_down(stage):
        # No connection from before is left that would hide the wrong password.
        file.write_text("planted-wrong-password")
        stage.secrets.add("planted-wrong-password")
        stage.apply_workspace(name)
        stage.wait_for("Workspace", name, status="False", reason="DatabaseUnavailable")
    body = stage.wait_for("Workspace", name, status="False", reason="DatabaseForbidden")
    assert "default" in condition(body)["message"]
    file.write_text(ADMIN_PASSWORD)
    stage.wait_for("Workspace", name)


def test_credentials_that_are_not_mounted(stage: Stage) -> None:
    name = new_name()
    file = stage.credentials / "password"
    with postgres_down(stage):
        file.unlink()
        stage.apply_workspace(name)
        body = stage.wait_for("Workspace", name, status="False", reason="DatabaseForbidden")
        assert "keys username and password" in condition(body)["message"]
        file.write_text(ADMIN_PASSWORD)
    stage.wait_for("Workspace", name)


def test_an_unknown_server_is_named_with_those_that_are_known_and_nothing_is_made(stage: Stage) -> None:
    name = new_name()
    stage.apply_workspace(name, database={"server": "atlantis"})
    body = stage.wait_for("Workspace", name, status="False", reason="UnknownDatabaseServer")
    assert "atlantis" in condition(body)["message"]
    assert "knows: default" in condition(body)["message"]
    assert stage.api.get("Namespace", f"ws-{name}") is None
    stage.api.delete("Workspace", name)
    stage.wait_until_gone("Workspace", name)


@pytest.mark.parametrize("where", ["the model's key", "a variable"])
def test_a_secret_that_is_missing_then_lacks_the_key_then_has_it_empty_then_is_right(
    stage: Stage, place: str, where: str
) -> None:
    name, keys = new_name("key")[:30], new_name("keys")
    reference = {"name": keys, "key": "api-key"}
    spec: dict[str, Any] = (
        {"agents": [{"id": "a", "model": {"id": "openai-chat:gpt-4o", "apiKeySecretRef": reference}}]}
        if where == "the model's key"
        else {"env": [{"name": "MY_KEY", "secretKeyRef": reference}]}
    )
    stage.api.apply(agent_deployment(place, name, **spec))
    body = stage.wait_for("AgentDeployment", name, place, status="False", reason="SecretMissing")
    assert f"Secret {keys}" in condition(body)["message"]
    assert stage.api.get("Deployment", name, place) is None
    stage.api.apply(secret(place, keys, other="x"))
    body = stage.wait_for("AgentDeployment", name, place, status="False", reason="SecretKeyMissing")
    assert "api-key" in condition(body)["message"]
    stage.api.apply(secret(place, keys, **{"api-key": ""}))
    stage.api.apply(secret(place, keys, **{"api-key": "planted-model-key"}))
    stage.secrets.add("planted-model-key")
    stage.serve(place, name)


def config_map(namespace: str, name: str, **data: str) -> Object:
    """A ConfigMap."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def test_a_config_map_of_knowledge_that_is_missing_and_then_lacks_its_key(stage: Stage, place: str) -> None:
    name, texts = new_name("knowing"), new_name("texts")
    source = {"configMap": {"name": texts, "key": "returns.md"}}
    embedder = {"id": "openai:text-embedding-3-small"}
    stage.api.apply(
        agent_deployment(place, name, knowledge=[{"id": "docs", "embedder": embedder, "sources": [source]}])
    )
    body = stage.wait_for("AgentDeployment", name, place, status="False", reason="ConfigMapMissing")
    assert f"ConfigMap {texts} in namespace {place} does not exist" in condition(body)["message"]
    assert stage.api.get("Deployment", name, place) is None
    stage.api.apply(config_map(place, texts, **{"other.md": "x"}))
    body = stage.wait_for("AgentDeployment", name, place, status="False", reason="ConfigMapKeyMissing")
    assert "has no key returns.md" in condition(body)["message"]
    stage.api.apply(config_map(place, texts, **{"returns.md": "x"}))
    stage.serve(place, name)
    (volume,) = [
        each
        for each in stage.child("Deployment", place, name)["spec"]["template"]["spec"]["volumes"]
        if each["name"] == "knowledge-0"
    ]
    assert volume["configMap"]["items"] == [{"key": "returns.md", "path": "returns.md"}]


def test_pods_follow_a_change_of_the_document_of_an_api(stage: Stage, place: str) -> None:
    name, shop = new_name("calling"), new_name("shop")
    stage.api.apply(config_map(place, shop, **{"openapi.yaml": "openapi: 3.1.0"}))
    document = {"configMap": {"name": shop, "key": "openapi.yaml"}}
    tools = [{"openapi": {"name": "shop", "baseURL": "http://shop.shop.svc", "document": document}}]
    agents = [{"id": "helper", "model": {"id": "openai-chat:x"}, "tools": tools}]
    stage.api.apply(agent_deployment(place, name, agents=agents))
    stage.serve(place, name)

    def pods_id() -> str:
        template = stage.child("Deployment", place, name)["spec"]["template"]
        mounted = template["spec"]["volumes"][-1]["configMap"]
        assert (mounted["name"], mounted["items"]) == (shop, [{"key": "openapi.yaml", "path": "openapi.yaml"}])
        return str(template["metadata"]["annotations"]["agentos.hyvve.io/documents-id"])

    before = pods_id()
    stage.api.apply(config_map(place, shop, **{"openapi.yaml": "openapi: 3.1.1"}))
    stage.api.apply(agent_deployment(place, name, agents=agents, replicas=2))  # or it is seen within ten minutes
    eventually(lambda: pods_id() != before, "pods are replaced")


def test_an_empty_key_is_as_good_as_none(stage: Stage, place: str) -> None:
    name, keys = new_name("empty"), new_name("keys")
    stage.api.apply(secret(place, keys, **{"api-key": ""}))
    stage.api.apply(
        agent_deployment(place, name, env=[{"name": "K", "secretKeyRef": {"name": keys, "key": "api-key"}}])
    )
    stage.wait_for("AgentDeployment", name, place, status="False", reason="SecretKeyMissing")


def test_a_missing_secret_is_found_later_even_with_no_pod_wanted(stage: Stage, place: str) -> None:
    name, keys = new_name("zero"), new_name("keys")
    env = [{"name": "K", "secretKeyRef": {"name": keys, "key": "api-key"}}]
    stage.api.apply(agent_deployment(place, name, env=env, replicas=0))
    stage.wait_for("AgentDeployment", name, place, status="False", reason="SecretMissing")
    stage.api.apply(secret(place, keys, **{"api-key": "planted-model-key"}))
    stage.roll_out(place, name)
    stage.wait_for("AgentDeployment", name, place, status="False", reason="ScaledToZero")


def pod(place: str, deployment: str, status: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{deployment}-pod",
            "namespace": place,
            "labels": {
                "app.kubernetes.io/name": "agentos-runtime",
                "app.kubernetes.io/instance": deployment,
            },
        },
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "runtime",
                    "image": "registry.example.com/none:1",
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def words(**said: str) -> Object:
    return {"terminated": {"exitCode": 78, "reason": "Error", "message": json.dumps(said)}}


PULL = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}


@pytest.mark.parametrize(
    ("state", "last", "reason", "said"),
    [
        (PULL, {}, "ImagePullFailed", "registry.example.com/none:1"),
        ({}, words(reason="UnknownToolkit", message="agents[0].tools[0]: no such"), "UnknownToolkit", "no such"),
        ({}, words(reason="UnknownModelProvider", message="x:y is unknown"), "UnknownModelProvider", "x:y is unknown"),
        ({}, words(reason="Ready", message="trust me"), "ContainerFailed", "exit code 78"),
        ({}, {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "ContainerFailed", "OOMKilled"),
    ],
    ids=["image", "toolkit", "provider", "forged reason", "out of memory"],
)
def test_what_keeps_a_pod_from_answering_is_told(
    stage: Stage, place: str, state: Object, last: Object, reason: str, said: str
) -> None:
    name = new_name("pod")
    stage.api.apply(agent_deployment(place, name))
    eventually(lambda: stage.api.get("Deployment", name, place) is not None, "the Deployment exists")
    stage.api.create(pod(place, name, {}))
    container = {
        "name": "runtime",
        "image": "registry.example.com/none:1",
        "imageID": "",
        "ready": False,
        "restartCount": 1,
        "state": state or {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": last,
    }
    stage.api.patch("Pod", f"{name}-pod", {"status": {"containerStatuses": [container]}}, place, "status")
    body = stage.wait_for("AgentDeployment", name, place, status="False", reason=reason)
    assert said in condition(body)["message"]
    stage.api.request("DELETE", f"/api/v1/namespaces/{place}/pods/{name}-pod?gracePeriodSeconds=0")
    stage.serve(place, name)


def test_a_full_quota_is_told_with_what_to_do(stage: Stage, place: str) -> None:
    name = new_name("full")
    stage.api.apply(agent_deployment(place, name))
    eventually(lambda: stage.api.get("Deployment", name, place) is not None, "the Deployment exists")
    refused = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": 'pods "x" is forbidden: exceeded quota: agentos-operator',
    }
    stage.api.patch("Deployment", name, {"status": {"conditions": [refused]}}, place, "status")
    body = stage.wait_for("AgentDeployment", name, place, status="False", reason="QuotaExceeded")
    assert "spec.quota of the Workspace" in condition(body)["message"]
    stage.serve(place, name)
