"""The contract between the two programs: what the CRD admits about agents is what the runtime understands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agentos_operator.reasons import RUNTIME_REASONS
from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.settings import settings_from
from agentos_runtime.spec import parse_spec

CRD = Path(__file__).parents[3] / "crds" / "agentdeployments.yaml"
TEXTS = {
    "id": "helper",
    "toolkit": "calculator",
    "baseURL": "https://model.example.com/v1",
    "name": "openai",
    "key": "api-key",
}


def agents_schema() -> dict[str, Any]:
    """The schema of ``spec.agents`` as the CRD has it."""
    crd = yaml.safe_load(CRD.read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found: dict[str, Any] = schema["properties"]["spec"]["properties"]["agents"]
    return found


def filled(schema: dict[str, Any], name: str = "") -> Any:
    """A value for ``schema`` in which every field is set."""
    if schema["type"] == "array":
        return [filled(schema["items"], name)]
    if schema["type"] == "object":
        properties = schema.get("properties", {})
        return {key: filled(field, key) for key, field in properties.items()}
    scalars = {"boolean": True, "integer": schema.get("minimum", 1), "string": TEXTS.get(name, "text")}
    return scalars[schema["type"]]


def document() -> dict[str, Any]:
    """An AgentDeployment in which one agent sets every field of the schema."""
    agents = filled(agents_schema())
    agents[0]["model"]["id"] = "openai-chat:gpt-4o-mini"
    return {
        "apiVersion": "agentos.hyvve.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "support"},
        "spec": {"agents": agents},
    }


def test_the_runtime_understands_every_field_that_the_crd_has() -> None:
    (agent,) = parse_spec(document()).agents
    assert agent.update_memory_on_run
    assert agent.enable_agentic_memory
    assert agent.tools[0].requires_confirmation == ("text",)


def test_the_runtime_bounds_limits_as_the_crd_does() -> None:
    crd = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    fields = crd["properties"]["spec"]["properties"]["limits"]["properties"]
    counts = {name: field for name, field in fields.items() if field["type"] == "integer"}
    for bound in ("minimum", "maximum"):
        body = document()
        body["spec"]["limits"] = {"requestBody": "100Mi"} | {name: field[bound] for name, field in counts.items()}
        assert parse_spec(body).limits.body_bytes == 100 * 1024**2
    for name, field in counts.items():
        for beyond in (field["minimum"] - 1, field["maximum"] + 1):
            body["spec"]["limits"] = {name: beyond}
            with pytest.raises(StartupError, match=f"spec.limits.{name}"):
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
    with pytest.raises(StartupError, match="enableUserMemories"):
        parse_spec(body)


def test_the_operator_believes_every_reason_that_the_runtime_can_give() -> None:
    given = {value for name, value in vars(Reason).items() if name.isupper()}
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
