"""The spec's errors, as the person who wrote it reads them: the path, what is wrong, what to do."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentos_spec import Limits, ModelSpec, SecretRef, SpecError, find_problems, load_spec, parse_spec

GOOD: dict[str, Any] = {
    "apiVersion": "agentos.hyvve.io/v1alpha1",
    "kind": "AgentDeployment",
    "metadata": {"name": "support", "namespace": "ws-acme", "labels": {"a": "b"}},
    "spec": {
        "replicas": 2,
        "agents": [
            {
                "id": "support",
                "name": "Support",
                "instructions": ["Be brief."],
                "model": {
                    "id": "openai-chat:gpt-4o-mini",
                    "baseURL": "http://fake/v1",
                    "apiKeySecretRef": {"name": "openai", "key": "api-key"},
                },
                "numHistoryRuns": 5,
                "addHistoryToContext": True,
                "tools": [{"toolkit": "calculator", "options": {"x": 1}, "requiresConfirmation": ["divide"]}],
            }
        ],
    },
}
REMOVE = object()


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    """The good document with one value replaced or removed."""
    document = copy.deepcopy(GOOD)
    at: Any = document
    for step in path[:-1]:
        at = at[step]
    if value is REMOVE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return document


def test_every_field_is_read() -> None:
    agent = parse_spec(GOOD).agents[0]
    assert agent.model == ModelSpec(
        provider="openai-chat",
        id="gpt-4o-mini",
        base_url="http://fake/v1",
        api_key=SecretRef("openai", "api-key"),
        path="spec.agents[0].model",
    )
    assert agent.name == "Support"
    assert agent.parameters == {"instructions": ["Be brief."], "num_history_runs": 5, "add_history_to_context": True}
    assert agent.tools[0].requires_confirmation == ("divide",)


def test_limits_are_read_and_the_others_keep_their_defaults() -> None:
    document = changed(["spec", "limits"], {"requestBody": "512Ki", "concurrentRuns": 7})
    assert parse_spec(document).limits == replace(Limits(), body_bytes=512 * 1024, concurrent_runs=7)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"requestBody": "101Mi"}, r"spec\.limits\.requestBody: is 101Mi; it takes at most 100Mi"),
        ({"requestBody": "10M"}, r"spec\.limits\.requestBody: '10M' is not a size"),
        ({"concurrentRuns": 0}, r"spec\.limits\.concurrentRuns: is 0; it takes 1 to 1000"),
        ({"concurrentRuns": 2, "concurrentRunsPerUser": 3}, "must not be more than concurrentRuns"),
        ({"concurentRuns": 2}, "did you mean 'concurrentRuns'"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_spec(changed(["spec", "limits"], limits))


def test_what_only_the_operator_acts_on_is_no_error_on_a_laptop() -> None:
    assert parse_spec(changed(["spec", "routing"], {"host": "agents.acme.com"})).name == "support"


def test_the_example_is_accepted() -> None:
    assert load_spec(Path("examples/support.yaml")).agents[0].id == "support"


def test_a_model_name_may_hold_a_colon() -> None:
    spec = parse_spec(changed(["spec", "agents", 0, "model", "id"], "ollama:llama3:8b"))
    assert (spec.agents[0].model.provider, spec.agents[0].model.id) == ("ollama", "llama3:8b")


A = ["spec", "agents", 0]
REFUSED: dict[str, tuple[list[Any], Any, str]] = {
    "another kind": (["kind"], "Workspace", "kind: is 'Workspace'; this file must hold an AgentDeployment"),
    "no spec": (["spec"], REMOVE, "document: spec is missing; add it"),
    "an empty spec": (["spec"], {}, "spec: agents is missing; add it"),
    "no agents": (["spec", "agents"], [], "spec.agents: has 0 entries; it takes 1 to 50"),
    "agents that are no list": (["spec", "agents"], {}, "spec.agents: must be a list, not a mapping"),
    "a misspelt field": ([*A, "instruction"], ["x"], "unknown field 'instruction' (did you mean 'instructions'?)"),
    "agno's spelling of a field": ([*A, "num_history_runs"], 1, "(did you mean 'numHistoryRuns'?)"),
    "a field of nobody": (["spec", "zzz"], 1, "spec: unknown field 'zzz'; known are agents, image"),
    "an agent without id": ([*A, "id"], REMOVE, "spec.agents[0]: id is missing; add it"),
    "an id in capitals": ([*A, "id"], "Support", "spec.agents[0].id: 'Support' is not a lower-case name"),
    "instructions that are text": ([*A, "instructions"], "x", "instructions: must be a list, not text"),
    "an empty instruction": ([*A, "instructions"], [" "], "spec.agents[0].instructions[0]: is empty"),
    "a number for a text": ([*A, "name"], 7, "spec.agents[0].name: must be a string, not a number; quote it"),
    "a word for a flag": ([*A, "markdown"], "yes", "spec.agents[0].markdown: must be true or false, not text"),
    "too much history": ([*A, "numHistoryRuns"], 101, "spec.agents[0].numHistoryRuns: is 101; it takes 1 to 100"),
    "a flag for a number": ([*A, "numHistoryRuns"], True, "must be a whole number, not a boolean"),
    "no model": ([*A, "model"], REMOVE, "spec.agents[0]: model is missing; add it"),
    "a model that is text": ([*A, "model"], "openai:x", "spec.agents[0].model: must be a mapping with id"),
    "a model without provider": ([*A, "model", "id"], "gpt-4o", "must read '<provider>:<model>'"),
    "a URL with another scheme": ([*A, "model", "baseURL"], "ftp://x", "baseURL: is not an http or https URL"),
    "a Secret by path": ([*A, "model", "apiKeySecretRef", "name"], "../x", "is not the name of a Secret"),
    "a key by path": ([*A, "model", "apiKeySecretRef", "key"], "..", "is not a key of a Secret"),
    "a key with a slash": ([*A, "model", "apiKeySecretRef", "key"], "a/b", "is not a key of a Secret"),
    "a Secret of another namespace": (
        [*A, "model", "apiKeySecretRef", "namespace"],
        "x",
        "spec.agents[0].model.apiKeySecretRef: unknown field 'namespace'",
    ),
    "a toolkit by path": ([*A, "tools", 0, "toolkit"], "../os", "toolkit: '../os' is not the name of a toolkit"),
    "a dotted toolkit": ([*A, "tools", 0, "toolkit"], "a.b", "toolkit: 'a.b' is not the name of a toolkit"),
    "options that are a list": ([*A, "tools", 0, "options"], [1], "options: must be a mapping"),
}


@pytest.mark.parametrize(("path", "value", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_spec_is_refused_with_its_path(path: list[Any], value: Any, message: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_spec(changed(path, value))
    assert refused.value.reason == "InvalidSpec"
    assert message in refused.value.message


API = {"name": "shop", "baseURL": "https://x", "document": {"configMap": {"name": "shop", "key": "openapi.yaml"}}}
PLANTED: dict[str, tuple[list[Any], Any]] = {
    "a URL with a password": ([*A, "model", "baseURL"], "http://user:planted@host/v1?x"),
    "a key in the place of a Secret's name": ([*A, "model", "apiKeySecretRef", "name"], "sk-PLANTED-planted"),
    "a key in the place of a Secret's key": ([*A, "model", "apiKeySecretRef", "key"], "planted key"),
    "an option of another type": ([*A, "model", "options"], {"temperature": "planted"}),
    "a URL of an API with a password": ([*A, "tools", 0], {"openapi": API | {"baseURL": "https://me:planted@x"}}),
    "a user of an API with a password": (
        [*A, "tools", 0],
        {"openapi": API | {"basicAuth": {"username": "me:planted", "passwordSecretRef": {"name": "a", "key": "b"}}}},
    ),
    "a header in the place of its name": (
        [*A, "tools", 0],
        {"mcp": {"name": "docs", "url": "http://x", "headers": [{"name": "X: planted", "value": "y"}]}},
    ),
}


@pytest.mark.parametrize(("path", "value"), PLANTED.values(), ids=PLANTED.keys())
def test_a_secret_in_the_wrong_place_is_refused_and_not_told(path: list[Any], value: Any) -> None:
    document = changed(path, value)
    document["spec"]["agents"][0]["tools"][0].pop("options", None)
    (problem,) = find_problems(document)
    assert "planted" not in problem.message.lower()


REF = {"name": "a", "key": "b"}
WRONG_APIS: dict[str, tuple[dict[str, Any], str]] = {
    "without a document": ({"document": None}, "spec.agents[0].tools[0].openapi: document is missing; add it"),
    "with two documents": (
        {"document": {"inline": {}, "configMap": REF}},
        "spec.agents[0].tools[0].openapi.document: give exactly one of configMap and inline",
    ),
    "whose document is a whole ConfigMap": (
        {"document": {"configMap": {"name": "shop"}}},
        "spec.agents[0].tools[0].openapi.document.configMap: key is missing; add it",
    ),
    "with a token and a password": (
        {"bearerTokenSecretRef": REF, "basicAuth": {"username": "me", "passwordSecretRef": REF}},
        "spec.agents[0].tools[0].openapi: bearerTokenSecretRef and basicAuth are both sent as the header Authorization;"
        " leave one out",
    ),
    "with a token and a header of it": (
        {"bearerTokenSecretRef": REF, "headers": [{"name": "authorization", "secretKeyRef": REF}]},
        "spec.agents[0].tools[0].openapi: bearerTokenSecretRef and a header Authorization are both sent as the header"
        " Authorization; leave one out",
    ),
    "without an end": (
        {"maxResponseBytes": 2**30},
        "spec.agents[0].tools[0].openapi.maxResponseBytes: is 1073741824; it takes 256 to 1048576",
    ),
}


@pytest.mark.parametrize(("given", "message"), WRONG_APIS.values(), ids=WRONG_APIS.keys())
def test_an_api_that_cannot_be_is_refused_with_its_path(given: dict[str, Any], message: str) -> None:
    (problem,) = find_problems(changed([*A, "tools", 0], {"openapi": API | given}))
    assert problem.message == message


def test_two_agents_of_one_id_are_refused() -> None:
    document = changed(["spec", "agents"], GOOD["spec"]["agents"] * 2)
    with pytest.raises(SpecError, match=r"spec.agents: two agents have the id 'support'; give each its own"):
        parse_spec(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (": [", "is not YAML"),
        ("", "document: must be a mapping"),
        ("!!python/object:os.system {}", "is not YAML"),
        ("[" * 50_000 + "]" * 50_000, "is not YAML: has more than 200 levels"),
    ],
    ids=["broken", "empty", "with a Python tag", "so deep that libyaml would end the process"],
)
def test_a_file_that_is_no_document_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    with pytest.raises(SpecError, match=message):
        load_spec(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"absent.yaml: cannot be read"):
        load_spec(tmp_path / "absent.yaml")
