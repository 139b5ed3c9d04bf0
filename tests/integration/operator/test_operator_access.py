"""Who may sign tokens, from the Workspace to the environment of its pods, and what status says of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.apiserver import eventually
from tests.integration.operator.stage import (
    OperatorProcess,
    Stage,
    agent_deployment,
    condition,
    new_name,
    workspace,
)

pytestmark = pytest.mark.usefixtures("operator")

KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
GENERATED = {"name": "generated", "type": "GeneratedSecret"}
APP = {
    "name": "app",
    "type": "JWKS",
    "issuer": "https://app.example.com",
    "jwksURI": "https://app.example.com/api/auth/jwks",
    "algorithms": ["EdDSA"],
}
PARTNER = {
    "name": "partner",
    "type": "PublicKey",
    "issuer": "partner",
    "algorithms": ["EdDSA"],
    "publicKeySecretRef": {"name": "agentos-partner", "key": "public.pem"},
}


def environment(stage: Stage, place: str) -> dict[str, Any]:
    """What the pods of the deployment `support` are started with."""
    (container,) = stage.child("Deployment", place, "support")["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value") for each in container["env"]}


def issuers(stage: Stage, place: str) -> list[dict[str, Any]]:
    text = environment(stage, place).get("AGENTOS_ISSUERS")
    found: list[dict[str, Any]] = json.loads(text) if text else []
    return found


def put_key(stage: Stage, place: str, key: str = KEY) -> None:
    metadata = {"name": "agentos-partner", "namespace": place}
    stage.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"public.pem": key}})


def test_a_changed_issuer_makes_new_pods_and_leaves_the_signing_secret_alone(
    stage: Stage, operator: OperatorProcess
) -> None:
    name = stage.ready_workspace()
    place = stage.available_deployment(name)
    assert "AGENTOS_ISSUERS" not in environment(stage, place)
    before = stage.secret("agentos-jwt", place)
    origins = ["https://app.example.com"]
    stage.apply_workspace(name, auth={"issuers": [GENERATED, APP], "allowedOrigins": origins})
    eventually(lambda: issuers(stage, place) == [GENERATED, APP], "the pods know both issuers")
    assert environment(stage, place)["AGENTOS_ALLOWED_ORIGINS"] == "https://app.example.com"
    stage.serve(place)
    assert stage.secret("agentos-jwt", place) == before


def test_who_would_sign_with_a_secret_that_is_not_accepted_learns_so(stage: Stage, operator: OperatorProcess) -> None:
    name = stage.ready_workspace()
    place = f"ws-{name}"
    assert "accepted" not in stage.secret("agentos-jwt", place)
    stage.apply_workspace(name, auth={"issuers": [APP]})
    eventually(lambda: stage.secret("agentos-jwt", place).get("accepted") == "false", "the Secret says so")
    stage.apply_workspace(name, auth={"issuers": [APP, GENERATED]})
    eventually(lambda: "accepted" not in stage.secret("agentos-jwt", place), "the Secret says nothing any more")


def test_a_key_in_a_secret_is_waited_for_by_name_and_then_given_to_the_pods(
    stage: Stage, operator: OperatorProcess
) -> None:
    name = stage.ready_workspace(auth={"issuers": [PARTNER]})
    place = f"ws-{name}"
    stage.api.apply(agent_deployment(place))
    body = stage.wait_for("AgentDeployment", "support", place, status="False", reason="SecretMissing")
    assert "Secret agentos-partner" in condition(body)["message"]
    assert "the key public.pem" in condition(body)["message"]
    put_key(stage, place)
    stage.serve(place)
    [issuer] = issuers(stage, place)
    assert issuer["publicKey"] == KEY
    assert "publicKeySecretRef" not in issuer


def test_a_control_plane_is_told_where_to_connect_only_while_it_may(stage: Stage, operator: OperatorProcess) -> None:
    name = new_name("acme")
    stage.ready_workspace(name, controlPlane={"enabled": True, "publicKey": KEY})
    place = stage.available_deployment(name)
    status = stage.child("AgentDeployment", place, "support")["status"]
    assert status["controlPlane"] == {"endpoint": status["url"], "id": f"support--{name}"}
    assert environment(stage, place)["AGENTOS_ALLOWED_ORIGINS"] == "https://os.agno.com"
    assert [each["type"] for each in issuers(stage, place)] == ["GeneratedSecret", "ControlPlane"]
    stage.api.apply(workspace(name, controlPlane={"enabled": False}))
    eventually(lambda: not issuers(stage, place), "its pods know nothing of a Control Plane")
    stage.serve(place)
    eventually(
        lambda: "controlPlane" not in stage.child("AgentDeployment", place, "support")["status"],
        "status says nothing of a Control Plane",
    )
