"""The contract between the two programs: what the CRD admits about agents is what the runtime understands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentos_operator.reasons import RUNTIME_REASONS
from agentos_runtime.errors import Reason
from agentos_runtime.settings import settings_from
from agentos_spec import SpecError, parse_spec
from agentos_spec.kinds import Block, Choice, Kind, Whole, camel
from agentos_spec.knowledge import EMBEDDERS, KNOWN_DIMENSIONS, MOST_DIMENSIONS
from agentos_spec.parameters import AGENT, STEPS, TEAM, WORKFLOW
from agentos_spec.schedules import MOST_SCHEDULES

CRD = Path(__file__).parents[3] / "crds" / "agentdeployments.yaml"
TEXTS = {
    "id": "helper",
    "toolkit": "calculator",
    "baseURL": "https://model.example.com/v1",
    "name": "openai",
    "transport": "sse",
    "url": "http://docs-mcp.tools.svc:8080/mcp",
    "toolNamePrefix": "docs",
    "key": "api-key",
    "timezoneIdentifier": "Europe/Berlin",
    "knowledge": "helper",
    **dict.fromkeys(("preHooks", "postHooks", "toolHooks"), "checks.polite"),
}
PARTS = ("agents", "teams")
OTHERS = {"fallbackModels", "enableAgenticKnowledgeFilters"}
"""Of those, fields that another field excludes."""
EXCLUSIVE = {"tools": ("toolkit", "mcp", "openapi"), "headers": ("secretKeyRef",), "sources": ("configMap", "url")}
"""Lists whose entries hold one of several fields; of a header's value and its Secret, the Secret is filled in."""
LEFT_OUT = {"openapi": {"bearerTokenSecretRef"}, "document": {"inline"}, **dict.fromkeys(PARTS, OTHERS)}
"""Of objects, fields that another field excludes."""
FORM = {"type": "object", "properties": {"answer": {"type": "string"}}}
VALUES = {
    "inputSchema": FORM,
    "outputSchema": FORM,
    "knowledgeFilters": {"source": "terms.md"},
    "references": {"terms.md": "All sales are final."},
}
"""Of fields whose content is the author's own, one that is right."""
MODEL = {"id": "openai-chat:gpt-4o-mini"}
EMBEDDER = {"id": "openai:text-embedding-3-small"}
COMPONENT = {"id", "name", "model", "tools", "guardrails", "preHooks", "postHooks", "toolHooks", "knowledge"}
KINDS: dict[str, tuple[Mapping[str, Kind], set[str]]] = {
    "agents": (AGENT, COMPONENT),
    "teams": (TEAM, {*COMPONENT, "members"}),
    "workflows": (WORKFLOW, {"id", "name", "steps"}),
}
"""By the field of the spec: the runtime's table of parameters, and what it reads beside them."""


@cache
def fields_of_spec() -> dict[str, Any]:
    """The schemas of all fields of the spec as the CRD has them."""
    crd = yaml.load(CRD.read_text(), Loader=yaml.CSafeLoader)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found: dict[str, Any] = schema["properties"]["spec"]["properties"]
    return found


def schema_of(field: str) -> dict[str, Any]:
    """The schema of one of them."""
    found: dict[str, Any] = fields_of_spec()[field]
    return found


def filled(schema: dict[str, Any], name: str = "") -> Any:
    """A value for ``schema`` in which every field is set."""
    if name in VALUES:
        return VALUES[name]
    if name in EXCLUSIVE:
        return either(filled(schema["items"]), EXCLUSIVE[name])
    if schema["type"] == "array":
        return [filled(schema["items"], name)]
    if schema["type"] == "object":
        given = schema.get("properties", {}).items()
        properties = {key: field for key, field in given if key not in LEFT_OUT.get(name, ())}
        if "baseURL" in properties and name != "openapi":
            given = EMBEDDER if name == "embedder" else MODEL
            return {key: filled(field, key) for key, field in properties.items()} | given
        return {key: filled(field, key) for key, field in properties.items()}
    texts = schema.get("enum", [TEXTS.get(name, "text")])
    scalars = {"boolean": True, "integer": schema.get("minimum", 1), "string": texts[0]}
    return scalars[schema["type"]]


def either(entry: dict[str, Any], exclusive: tuple[str, ...]) -> list[dict[str, Any]]:
    """One entry for each of two fields that exclude each other; options are those of a toolkit."""
    others = {*exclusive, "value"}
    entries = [{k: v for k, v in entry.items() if k == kept or k not in others} for kept in exclusive]
    for other in entries[1:]:
        other.pop("options", None)
    return entries


def document() -> dict[str, Any]:
    """An AgentDeployment in which one agent, one team and one workflow set every field of the schema."""
    (agent,), (team,), (workflow,) = (filled(schema_of(field), field) for field in KINDS)
    member = {"id": "member", "model": MODEL}
    steps = [{"name": "ask", "agent": "member"}]
    return {
        "apiVersion": "agentos.hyvve.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "support"},
        "spec": {
            "agents": [agent, member],
            "teams": [team | {"id": "team", "members": ["member"]}],
            "workflows": [workflow | {"id": "workflow", "steps": steps}],
            "knowledge": filled(schema_of("knowledge")),
        },
    }


def test_the_runtime_understands_every_field_that_the_crd_has() -> None:
    spec = parse_spec(document())
    read = [part.parameters for part in (spec.agents[0], *spec.teams)] + [spec.workflows[0].parameters]
    for parameters, (kinds, _) in zip(read, KINDS.values(), strict=True):
        assert kinds.keys() - parameters.keys() <= {"fallback_models", "enable_agentic_knowledge_filters"}
    assert [tool.requires_confirmation for tool in spec.agents[0].tools] == [("text",)] * 3
    assert spec.teams[0].guardrails[0].name == "openai_moderation"
    assert [hook.name for hook in spec.teams[0].hooks] == ["checks.polite"] * 3
    assert [source.label for source in spec.knowledge[0].sources] == ["configMap/openai/api-key", TEXTS["url"]]


@pytest.mark.parametrize("field", KINDS)
def test_the_crd_has_every_field_that_the_runtime_understands_with_the_same_bounds(field: str) -> None:
    kinds, others = KINDS[field]
    agree(schema_of(field)["items"]["properties"], kinds, others)


def agree(properties: Mapping[str, Any], kinds: Mapping[str, Kind], others: AbstractSet[str] = frozenset()) -> None:
    """All fields and no others, with the same bounds, in blocks as well."""
    assert properties.keys() == {camel(name) for name in kinds} | others
    for name, kind in kinds.items():
        schema = properties[camel(name)]
        if isinstance(kind, Whole):
            assert (schema["minimum"], schema["maximum"]) == (kind.low, kind.high), name
        if isinstance(kind, Choice):
            assert tuple(schema["enum"]) == kind.words, name
        if isinstance(kind, Block):
            agree(schema["properties"], kind.kinds)


def test_the_crd_and_the_runtime_know_the_same_embedders() -> None:
    embedder = schema_of("knowledge")["items"]["properties"]["embedder"]
    providers = embedder["properties"]["id"]["pattern"].partition("(")[2].partition(")")[0]
    assert providers.split("|") == sorted(EMBEDDERS)
    assert embedder["properties"]["dimensions"]["maximum"] == MOST_DIMENSIONS
    rule = embedder["x-kubernetes-validations"][0]["rule"]
    assert set(re.findall("'(.+?)'", rule)) == set(KNOWN_DIMENSIONS)


def test_the_crd_has_the_types_of_steps_that_the_runtime_understands() -> None:
    step = schema_of("workflows")["items"]["properties"]["steps"]["items"]
    assert step["properties"]["type"]["enum"] == list(STEPS)


def test_the_runtime_understands_schedules_as_the_crd_has_them() -> None:
    schema = schema_of("schedules")
    fields = schema["items"]["properties"]
    texts = {"id": "daily", "cron": "0 9 * * mon-fri", "message": "hello", "timezone": "Europe/Berlin", "user": "alice"}
    schedule: dict[str, Any] = {**texts, "suspended": True}
    targets = {"agent": "member", "team": "team", "workflow": "workflow"}
    assert fields.keys() == {*schedule, *targets}
    assert schema["maxItems"] == MOST_SCHEDULES
    assert re.fullmatch(fields["cron"]["pattern"], texts["cron"])
    body = document()
    body["spec"]["schedules"] = [{**schedule, "id": kind, kind: target} for kind, target in targets.items()]
    assert [(each.kind, each.target) for each in parse_spec(body).schedules] == list(targets.items())


def test_the_runtime_bounds_limits_as_the_crd_does() -> None:
    fields = schema_of("limits")["properties"]
    counts = {name: field for name, field in fields.items() if field["type"] == "integer"}
    for bound in ("minimum", "maximum"):
        body = document()
        body["spec"]["limits"] = {"requestBody": "100Mi"} | {name: field[bound] for name, field in counts.items()}
        assert parse_spec(body).limits.body_bytes == 100 * 1024**2
    for name, field in counts.items():
        for beyond in (field["minimum"] - 1, field["maximum"] + 1):
            body["spec"]["limits"] = {name: beyond}
            with pytest.raises(SpecError, match=f"spec.limits.{name}"):
                parse_spec(body)


def test_defaults_that_the_crd_describes_are_the_runtimes() -> None:
    limits = parse_spec(document()).limits
    text = " ".join(CRD.read_text().split())
    for what in (
        f"{limits.body_bytes // 1024**2}Mi when left out",
        f"one pod; {limits.concurrent_runs} when left out",
        f"one user in one pod; {limits.concurrent_runs_per_user} when left out",
        f"a burst may use all; {limits.requests_per_user_per_minute} when left out",
    ):
        assert what in text


def test_a_field_that_the_crd_does_not_have_is_refused_on_a_laptop_too() -> None:
    body = document()
    body["spec"]["agents"][0]["enableUserMemories"] = True
    with pytest.raises(SpecError, match="enableUserMemories"):
        parse_spec(body)


def test_the_operator_believes_every_reason_that_the_runtime_can_give() -> None:
    given = {getattr(Reason, name) for name in dir(Reason) if name.isupper()}
    assert given == RUNTIME_REASONS


def test_a_runtime_on_a_shared_host_takes_off_exactly_the_path_that_its_route_matches() -> None:
    golden = Path(__file__).parents[1] / "operator" / "golden" / "a-deployment-below-a-path-of-a-shared-host"
    objects = {each["kind"]: each for each in yaml.safe_load_all((golden / "output.yaml").read_text())}
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    environ = {each["name"]: each.get("value", "of-a-secret-of-thirty-two-bytes-or-more") for each in container["env"]}
    environ["AGENTOS_DATABASE_URL"] = "postgresql://login@db/agentos"
    environ["AGENTOS_DATABASE_SCHEMA"] = "ws_1"
    environ["AGENTOS_JWT_MAX_LIFETIME"] = "3600"
    settings = settings_from(environ)
    (rule,) = objects["HTTPRoute"]["spec"]["rules"]
    assert [match["path"]["value"] for match in rule["matches"]] == [settings.path_prefix] == ["/acme/support"]
