"""Good input is accepted and completed, and reads well with kubectl."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentosctl.documents import Document
from agentosctl.validate import validate
from tests.integration.apiserver import CRDS, ApiServer
from tests.integration.schema.bodies import agent, deployment, workspace

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "unit" / "operator" / "golden"
DEFINITIONS = [yaml.load(path.read_text(), Loader=yaml.CSafeLoader) for path in sorted(CRDS.glob("*.yaml"))]


def test_a_workspace_needs_no_more_than_a_display_name(api_server: ApiServer, fresh_name: Callable[[], str]) -> None:
    assert api_server.create(workspace(fresh_name()))["spec"] == {
        "displayName": "Acme",
        "suspended": False,
        "preventDeletion": False,
        "deletionPolicy": "Retain",
        "namespace": {"adopt": False},
        "database": {
            "server": "default",
            "isolation": "Schema",
            "connectionLimit": 40,
            "statementTimeout": "30s",
        },
        "auth": {"maxTokenLifetime": "24h"},
        "quota": {"profile": "standard"},
        "network": {"egress": []},
    }


def test_a_deployment_needs_no_more_than_one_agent_with_a_model(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str]
) -> None:
    assert api_server.create(deployment(fresh_name()))["spec"] == {
        "replicas": 1,
        "suspended": False,
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
        "agents": [agent()],
    }


@pytest.mark.parametrize(
    ("given", "path", "completed"),
    [
        (
            {"database": {"connectionLimit": 60}},
            "database",
            {"server": "default", "isolation": "Schema", "statementTimeout": "30s"},
        ),
        ({"database": None}, "database", {"server": "default", "connectionLimit": 40}),
        ({"quota": {"pods": 3}}, "quota", {"profile": "standard"}),
        ({"quota": {"limits": {"cpu": "6"}}}, "quota", {"profile": "standard", "limits": {"cpu": "6"}}),
        ({"network": {}}, "network", {"egress": []}),
        ({"namespace": {}}, "namespace", {"adopt": False}),
    ],
)
def test_what_is_given_in_part_is_completed(
    api_server: ApiServer, fresh_name: Callable[[], str], given: Object, path: str, completed: Object
) -> None:
    stored = api_server.create(workspace(fresh_name(), **given))["spec"][path]
    assert completed.items() <= stored.items()


def test_a_port_is_tcp_unless_it_says_otherwise(api_server: ApiServer, fresh_name: Callable[[], str]) -> None:
    rule = {"namespace": "models", "podLabels": {"app.kubernetes.io/name": "vllm", "tier": ""}, "ports": [{"port": 53}]}
    stored = api_server.create(workspace(fresh_name(), network={"egress": [rule]}))
    assert stored["spec"]["network"]["egress"] == [{**rule, "ports": [{"port": 53, "protocol": "TCP"}]}]


@pytest.mark.parametrize("cidr", ["10.20.0.0/16", "1.2.3.4/32", "0.0.0.0/0", "2001:db8::/32", "fd00::1/128"])
def test_an_address_range_of_either_family_is_accepted(
    api_server: ApiServer, fresh_name: Callable[[], str], cidr: str
) -> None:
    api_server.create(workspace(fresh_name(), network={"egress": [{"cidr": cidr, "ports": [{"port": 443}]}]}))


@pytest.mark.parametrize("name", ["a", "a" * 30, "a1", "a-1-b", "kubernetes", "defaults", "extra", "publicity"])
def test_a_name_that_only_resembles_a_reserved_one_is_accepted(api_server: ApiServer, name: str) -> None:
    api_server.create(workspace(name))


@pytest.mark.parametrize(
    "body", [{"cpu": "0.5", "memory": "268435456"}, {"cpu": "1", "memory": "1.5Gi"}, {"cpu": 1, "memory": 268435456}]
)
def test_quantities_in_other_spellings_are_accepted(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str], body: Object
) -> None:
    api_server.create(deployment(fresh_name(), resources={"requests": body, "limits": body}))


def test_tracing_needs_no_more_than_an_endpoint_and_takes_credentials_from_a_secret(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str]
) -> None:
    headers = {"name": "OTEL_EXPORTER_OTLP_HEADERS", "secretKeyRef": {"name": "collector", "key": "headers"}}
    traced = {"tracing": {"endpoint": "https://otlp.example.com/v2"}}
    stored = api_server.create(deployment(fresh_name(), observability=traced, env=[headers]))["spec"]
    assert stored["observability"]["tracing"] == traced["tracing"] | {"samplePercent": 100, "content": False}


def test_events_need_no_more_than_a_secret_with_the_url_of_a_redis(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str]
) -> None:
    redis = {"urlSecretRef": {"name": "platform-redis", "key": "url"}}
    stored = api_server.create(deployment(fresh_name(), replicas=3, events={"redis": redis}))["spec"]
    assert stored["events"] == {"redis": redis, "maxLength": 10000}


def test_options_of_a_toolkit_are_kept_as_they_are(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str]
) -> None:
    options = {"exclude_tools": ["x"], "deep": {"er": [1, {"a": None}]}, "n": 1.5, "on": True}
    tools = [{"toolkit": "calculator", "options": options}]
    stored = api_server.create(deployment(fresh_name(), agents=[agent(tools=tools)]))
    assert stored["spec"]["agents"][0]["tools"][0]["options"] == options


@pytest.mark.parametrize("cron", ["0 9 * * mon-fri", "*/15\t8-17  1,15 JAN-mar *", "5/20 * * * 7"])
def test_a_schedule_is_kept_as_it_is(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str], cron: str
) -> None:
    schedule = {"id": "digest", "cron": cron, "agent": "helper", "message": "What is new?"}
    schedules = [schedule, schedule | {"id": "other", "timezone": "Europe/Berlin", "user": "alice", "suspended": True}]
    assert api_server.create(deployment(fresh_name(), schedules=schedules))["spec"]["schedules"] == schedules


def test_everything_but_the_server_can_change(api_server: ApiServer, fresh_name: Callable[[], str]) -> None:
    name = fresh_name()
    api_server.create(workspace(name))
    change = {
        "displayName": "Acme II",
        "deletionPolicy": "Delete",
        "namespace": {"adopt": True},
        "database": {"connectionLimit": 5, "statementTimeout": "35791min"},
        "quota": {"pods": 1},
        "network": {"egress": [{"namespace": "models", "ports": [{"port": 80}]}]},
    }
    stored = api_server.patch("Workspace", name, {"spec": change})
    assert stored["metadata"]["generation"] == 2
    assert stored["spec"]["deletionPolicy"] == "Delete"


def test_a_status_that_a_user_writes_into_the_resource_is_dropped(
    api_server: ApiServer, fresh_name: Callable[[], str]
) -> None:
    name = fresh_name()
    forged = {"namespace": {"name": "kube-system", "uid": "forged"}}
    assert "status" not in api_server.create(workspace(name) | {"status": forged}, strict=False)
    assert "status" not in api_server.patch("Workspace", name, {"status": forged})


def inputs() -> Iterator[Any]:
    """The custom resources of the builders' golden cases."""
    for path in sorted(GOLDEN.glob("*/input.yaml")):
        given = yaml.safe_load(path.read_text())
        yield pytest.param(given.get("workspace") or given["agentDeployment"], id=path.parent.name)


@pytest.mark.parametrize("body", list(inputs()))
def test_the_golden_inputs_of_the_builders_are_what_the_api_server_stores(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str], body: Object
) -> None:
    metadata = {"name": fresh_name()} | ({"namespace": namespace} if "namespace" in body["metadata"] else {})
    assert api_server.create({**body, "metadata": metadata})["spec"] == body["spec"]
    assert validate([Document("x.yaml:1", {**body, "metadata": metadata})]).endswith(": ok\n")


def fields(schema: Object, path: str) -> Iterator[tuple[str, Object]]:
    """Every field below ``schema`` with its path."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from fields(inner, f"{path}[]")


def schemas() -> Iterator[Any]:
    """The schema of every kind."""
    for definition in DEFINITIONS:
        for version in definition["spec"]["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            yield pytest.param(definition["spec"]["names"]["kind"], schema, id=definition["spec"]["names"]["kind"])


@pytest.mark.parametrize(("kind", "schema"), list(schemas()))
def test_every_field_is_described_in_a_sentence(kind: str, schema: Object) -> None:
    found = dict(fields(schema, kind))
    assert len(found) > 40, "or this test walks past the fields"
    bare = [path for path, field in found.items() if path != f"{kind}.metadata" and not field.get("description")]
    assert bare == []
    described = [schema["description"], *(field["description"] for field in found.values() if "description" in field)]
    assert [text for text in described if not text.rstrip().endswith((".", ")"))] == []


@pytest.mark.parametrize(("kind", "schema"), list(schemas()))
def test_every_text_list_and_number_has_a_limit_so_that_no_object_grows_without_bound(
    kind: str, schema: Object
) -> None:
    limits = {"string": {"maxLength", "enum", "format"}, "array": {"maxItems"}, "integer": {"maximum"}}
    found = fields(schema["properties"]["spec"], kind)
    free = [path for path, field in found if not limits.get(field.get("type", "string"), field.keys()) & field.keys()]
    assert free == []


@pytest.mark.parametrize(("kind", "schema"), list(schemas()))
def test_every_rule_has_a_message_of_its_own(kind: str, schema: Object) -> None:
    rules = [
        rule
        for field in (schema, *(field for _, field in fields(schema, kind)))
        for rule in (
            *field.get("x-kubernetes-validations", ()),
            *field.get("items", {}).get("x-kubernetes-validations", ()),
        )
    ]
    assert rules
    assert all(rule.get("message") for rule in rules)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("ws.spec.database.server", "Name of a PostgreSQL server from the operator's configuration."),
        ("ws.spec.network.egress.cidr", "Address range outside the cluster"),
        ("agd.spec.agents.model.apiKeySecretRef", "The provider's API key"),
        ("agd.status.url", "Address of the runtime for its callers"),
    ],
)
def test_kubectl_explain_reads_the_descriptions_by_short_name(api_server: ApiServer, field: str, words: str) -> None:
    text = " ".join(api_server.kubectl("explain", field).stdout.split())
    assert words in text


@pytest.fixture(scope="module")
def shown(api_server: ApiServer, namespace: str) -> Iterator[str]:
    """The name of a Workspace and an AgentDeployment that have a status."""
    name = "shown"
    api_server.create(workspace(name, displayName="Acme Corporation"))
    api_server.create(deployment(name))
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "ImagePullFailed",
        "message": "m",
        "lastTransitionTime": "2026-11-23T12:00:00Z",
    }
    status: Object = {
        "conditions": [condition],
        "namespace": {"name": "ws-shown", "uid": "u"},
        "database": {"schema": "ws_1"},
    }
    api_server.patch("Workspace", name, {"status": status}, subresource="status")
    status = {
        "conditions": [condition],
        "url": "http://shown--shown.agents.localhost",
        "replicas": 2,
        "readyReplicas": 1,
        "selector": "app.kubernetes.io/name=agentos-runtime",
        "image": "example.com/runtime:1",
        "runtimeVersion": "0.1.0",
    }
    api_server.patch("AgentDeployment", name, {"status": status}, namespace, "status")
    yield name
    api_server.delete("AgentDeployment", name, namespace)
    api_server.delete("Workspace", name)


def rows(text: str) -> list[dict[str, str]]:
    """kubectl's table: columns are two or more spaces apart."""
    header, *lines = [line for line in text.splitlines() if line.strip()]
    starts = [0, *(match.end() for match in re.finditer(r" {2,}", header))]
    spans = list(zip(starts, [*starts[1:], None], strict=True))
    titles = [header[start:end].strip() for start, end in spans]
    return [dict(zip(titles, (line[start:end].strip() for start, end in spans), strict=True)) for line in lines]


def test_a_list_of_workspaces_shows_state_reason_and_namespace(api_server: ApiServer, shown: str) -> None:
    (row,) = rows(api_server.kubectl("get", "ws", shown).stdout)
    age = row.pop("AGE")
    assert age
    assert row == {"NAME": shown, "READY": "False", "REASON": "ImagePullFailed", "NAMESPACE": "ws-shown"}
    (wide,) = rows(api_server.kubectl("get", "ws", shown, "-o", "wide").stdout)
    assert wide["DISPLAY NAME"] == "Acme Corporation"
    assert wide["SCHEMA"] == "ws_1"


def test_a_list_of_deployments_shows_state_address_and_pods(api_server: ApiServer, namespace: str, shown: str) -> None:
    (row,) = rows(api_server.kubectl("get", "agd", shown, "-n", namespace, "-o", "wide").stdout)
    assert row.pop("AGE")
    assert row == {
        "NAME": shown,
        "READY": "False",
        "REASON": "ImagePullFailed",
        "URL": "http://shown--shown.agents.localhost",
        "REPLICAS": "1",
        "IMAGE": "example.com/runtime:1",
        "VERSION": "0.1.0",
    }


def test_one_word_lists_everything_of_ours(api_server: ApiServer, namespace: str, shown: str) -> None:
    listed = api_server.kubectl("get", "agentos", "-n", namespace, "-o", "name").stdout.splitlines()
    assert f"workspace.agentos.hyvve.io/{shown}" in listed
    assert f"agentdeployment.agentos.hyvve.io/{shown}" in listed


def test_limits_may_be_given_singly_and_up_to_their_most(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str]
) -> None:
    for given in ({"concurrentRuns": 1}, {"requestBody": "100Mi", "requestsPerUserPerMinute": 100_000}):
        assert api_server.create(deployment(fresh_name(), limits=given))["spec"]["limits"] == given


def test_a_deployment_scales_like_any_other(api_server: ApiServer, namespace: str, shown: str) -> None:
    before = json.loads(
        api_server.kubectl("get", "agd", shown, "-n", namespace, "--subresource=scale", "-o", "json").stdout
    )
    assert before["status"] == {"replicas": 2, "selector": "app.kubernetes.io/name=agentos-runtime"}
    api_server.kubectl("scale", f"agd/{shown}", "-n", namespace, "--replicas=3")
    stored = api_server.get("AgentDeployment", shown, namespace)
    assert stored is not None
    assert stored["spec"]["replicas"] == 3


def test_a_deployment_that_an_autoscaler_scales_is_not_scaled_by_hand(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str]
) -> None:
    name = fresh_name()
    stored = api_server.create(deployment(name, autoscaling={"maxReplicas": 3, "targetActiveRuns": 5}))
    assert stored["spec"]["autoscaling"]["minReplicas"] == 1
    done = api_server.kubectl("scale", f"agd/{name}", "-n", namespace, "--replicas=2", check=False)
    assert "spec.replicas must be left out while spec.autoscaling is set" in done.stderr


@pytest.mark.parametrize("replicas", [-1, 101])
def test_scaling_stays_within_the_schemas_bounds(
    api_server: ApiServer, namespace: str, shown: str, replicas: int
) -> None:
    done = api_server.kubectl("scale", f"agd/{shown}", "-n", namespace, f"--replicas={replicas}", check=False)
    assert done.returncode != 0
    assert "replicas" in done.stderr
