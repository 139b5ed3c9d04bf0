"""Resources are parsed once into frozen models; what a tenant can forge decides nothing."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentos_operator.desired.config_map import build_config_map
from agentos_operator.resources.agent_deployment import parse_agent_deployment
from agentos_operator.resources.common import Owner, SecretKey, is_controlled_by
from agentos_operator.resources.secret import secret_values
from agentos_operator.resources.workspace import parse_workspace

Object = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden"


def golden(case: str, part: str) -> Object:
    """The custom resource of a golden case."""
    body: Object = yaml.safe_load((GOLDEN / case / "input.yaml").read_text())[part]
    return body


@pytest.fixture
def workspace() -> Object:
    """A Workspace with every default."""
    return golden("a-workspace-with-every-default", "workspace")


@pytest.fixture
def deployment() -> Object:
    """An AgentDeployment that uses most of its spec."""
    return golden("a-deployment-with-variables-and-model-keys-from-several-secrets", "agentDeployment")


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [("1ms", 1), ("500ms", 500), ("1s", 1_000), ("30s", 30_000), ("5min", 300_000), ("99999min", 5_999_940_000)],
)
def test_a_statement_timeout_means_what_postgresql_means_by_its_unit(
    workspace: Object, written: str, milliseconds: int
) -> None:
    workspace["spec"]["database"]["statementTimeout"] = written
    assert parse_workspace(workspace).database.statement_timeout_ms == milliseconds


def test_a_workspace_knows_its_namespace_and_points_at_itself_as_owner(workspace: Object) -> None:
    parsed = parse_workspace(workspace)
    assert parsed.namespace == "ws-acme"
    assert parsed.owner == Owner("Workspace", "acme", workspace["metadata"]["uid"])
    assert not parsed.meta.deleting
    assert parsed.meta.finalizers == ()


def test_a_workspace_on_its_way_out_is_known_by_its_deletion_timestamp(workspace: Object) -> None:
    workspace["metadata"] |= {"deletionTimestamp": "2026-11-23T12:00:00Z", "finalizers": ["a", "b"]}
    parsed = parse_workspace(workspace)
    assert parsed.meta.deleting
    assert parsed.meta.finalizers == ("a", "b")


def test_a_parsed_resource_cannot_be_changed(workspace: Object, deployment: Object) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse_workspace(workspace).deletion_policy = "Delete"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse_agent_deployment(deployment).replicas = 9  # type: ignore[misc]


def test_model_keys_are_collected_once_each_in_a_stable_order(deployment: Object) -> None:
    keys = (SecretKey("anthropic", "key.txt"), SecretKey("openai", "api-key"), SecretKey("openai", "other-key"))
    assert parse_agent_deployment(deployment).content_keys == keys
    deployment["spec"]["agents"].reverse()
    assert parse_agent_deployment(deployment).content_keys == keys, "or reordering agents would restart pods twice"


def test_every_secret_that_a_pod_needs_is_known_before_it_starts(deployment: Object) -> None:
    parsed = parse_agent_deployment(deployment)
    assert set(parsed.secret_keys) == {*parsed.content_keys, SecretKey("crm", "token")}


def test_an_empty_value_of_a_variable_is_a_value_and_no_reference(deployment: Object) -> None:
    variables = {variable.name: variable for variable in parse_agent_deployment(deployment).env}
    assert variables["EMPTY_ON_PURPOSE"].value == ""
    assert variables["EMPTY_ON_PURPOSE"].secret is None
    assert variables["CRM_TOKEN"].value is None
    assert variables["CRM_TOKEN"].secret == SecretKey("crm", "token")


def test_what_an_agent_says_passes_through_untouched(deployment: Object) -> None:
    before = copy.deepcopy(deployment["spec"]["agents"])
    assert parse_agent_deployment(deployment).content["agents"] == before


def test_schedules_pass_through_to_the_runtime_and_roll_its_pods_when_they_change(deployment: Object) -> None:
    schedules = [{"id": "digest", "cron": "0 9 * * *", "agent": "helper", "message": "What is new?"}]
    before = build_config_map(parse_agent_deployment(deployment), "acme")
    deployment["spec"]["schedules"] = schedules
    after = build_config_map(parse_agent_deployment(deployment), "acme")
    assert yaml.safe_load(after["data"]["agent-deployment.yaml"])["spec"]["schedules"] == schedules
    assert before["metadata"]["name"] != after["metadata"]["name"]


def test_every_secret_that_a_model_names_has_to_exist_before_a_pod_starts(deployment: Object) -> None:
    def model(name: str) -> Object:
        return {"id": "openai-chat:x", "apiKeySecretRef": {"name": name, "key": "api-key"}}

    deployment["spec"]["agents"] = [{"id": "a", "model": {"id": "openai-chat:x"}, "reasoningModel": model("thinker")}]
    deployment["spec"]["teams"] = [
        {"id": "t", "members": ["a"], "model": model("leader"), "fallbackModels": [model("second"), model("leader")]}
    ]
    names = [secret.name for secret in parse_agent_deployment(deployment).content_keys]
    assert names == ["leader", "second", "thinker"]


def test_every_secret_that_a_model_of_a_block_names_has_to_exist_before_a_pod_starts(deployment: Object) -> None:
    def model(name: str) -> Object:
        return {"id": "openai-chat:x", "apiKeySecretRef": {"name": name, "key": "api-key"}}

    plain = {"id": "a", "model": {"id": "openai-chat:x"}}
    deployment["spec"]["agents"] = [
        plain | {"memoryManager": {"model": model("keeper")}, "sessionSummaryManager": {"lastNRuns": 1}},
        plain | {"id": "b", "fallbackConfig": {"onError": [model("e"), model("f")], "onRateLimit": [model("r")]}},
    ]
    deployment["spec"]["teams"] = [
        plain
        | {"id": "t", "members": ["a"], "compressionManager": {"model": model("press")}}
        | {"sessionSummaryManager": {"model": model("clerk")}, "learning": {"model": model("pupil")}}
    ]
    names = [secret.name for secret in parse_agent_deployment(deployment).content_keys]
    assert names == ["clerk", "e", "f", "keeper", "press", "pupil", "r"]


def test_every_secret_that_a_header_of_an_mcp_server_names_has_to_exist_before_a_pod_starts(deployment: Object) -> None:
    def tools(name: str) -> list[Object]:
        secret = {"name": "X-Key", "secretKeyRef": {"name": name, "key": "token"}}
        server = {"name": "docs", "url": "http://docs/mcp", "headers": [secret, {"name": "X-Plain", "value": "open"}]}
        return [{"toolkit": "calculator"}, {"mcp": server}]

    deployment["spec"]["agents"] = [{"id": "a", "model": {"id": "openai-chat:x"}, "tools": tools("of-an-agent")}]
    deployment["spec"]["teams"] = [
        {"id": "t", "members": ["a"], "model": {"id": "openai-chat:x"}, "tools": tools("of-a-team")}
    ]
    names = [secret.name for secret in parse_agent_deployment(deployment).content_keys]
    assert names == ["of-a-team", "of-an-agent"]


def test_secrets_and_the_document_that_an_api_names_have_to_exist_before_a_pod_starts(deployment: Object) -> None:
    def api(name: str, document: Object, **credentials: Any) -> Object:
        server = {"name": name, "baseURL": "http://shop", "document": document, **credentials}
        return {"openapi": server}

    def ref(name: str) -> Object:
        return {"name": name, "key": "key"}

    tools = [
        api("a", {"configMap": ref("documents")}, bearerTokenSecretRef=ref("token")),
        api("b", {"inline": {}}, basicAuth={"username": "me", "passwordSecretRef": ref("password")}),
        api("c", {"configMap": ref("texts")}, headers=[{"name": "X-Key", "secretKeyRef": ref("header")}]),
    ]
    deployment["spec"]["agents"] = [{"id": "a", "model": {"id": "openai-chat:x"}, "tools": tools}]
    deployment["spec"]["knowledge"] = [{"embedder": {"id": "openai:x"}, "sources": [{"configMap": {"name": "texts"}}]}]
    parsed = parse_agent_deployment(deployment)
    assert [secret.name for secret in parsed.content_keys] == ["header", "password", "token"]
    assert parsed.config_maps == {"documents": ("key",), "texts": ()}
    assert parsed.documents == {"documents", "texts"}


def child(*references: Object, **metadata: Any) -> Object:
    """An object with owners."""
    return {"metadata": {"name": "x", **metadata, **({"ownerReferences": list(references)} if references else {})}}


def reference(uid: str, *, controller: bool | None = True) -> Object:
    """An ownerReference to a Workspace called acme."""
    body: Object = {"kind": "Workspace", "name": "acme", "uid": uid}
    return body if controller is None else body | {"controller": controller}


def test_the_controller_with_our_uid_owns() -> None:
    assert is_controlled_by(child(reference("other", controller=False), reference("ours")), "ours")


@pytest.mark.parametrize(
    "forged",
    [
        child(),
        child(labels={"agentos.hyvve.io/workspace": "acme", "app.kubernetes.io/managed-by": "agentos-operator"}),
        child(annotations={"uid": "ours"}),
        child(reference("predecessor")),
        child(reference("ours", controller=False)),
        child(reference("ours", controller=None)),
    ],
)
def test_a_forged_owner_label_or_a_namesake_gains_nothing(forged: Object) -> None:
    assert not is_controlled_by(forged, "ours")


def test_a_secrets_values_are_text_and_what_is_no_text_counts_as_empty() -> None:
    data = {"good": "cGxhbnRlZA==", "empty": "", "binary": "/////w==", "broken": "a"}
    assert secret_values({"data": data}) == {"good": "planted", "empty": "", "binary": "", "broken": ""}


@pytest.mark.parametrize("secret", [{}, {"data": None}, {"data": {}}])
def test_a_secret_without_data_has_no_values(secret: Object) -> None:
    assert secret_values(secret) == {}
