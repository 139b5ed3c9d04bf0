"""The operator and the runtime understand each other: who may sign tokens, and which pages may send them."""

from __future__ import annotations

from typing import Any

import pytest

from agentos_operator.desired.access import build_access
from agentos_operator.naming import TOKEN_ISSUER
from agentos_operator.naming import agent_os_id as operators_id
from agentos_operator.resources.access import parse_access
from agentos_operator.resources.common import SecretKey
from agentos_runtime.issuers import Defaults, Issuer, parse_issuers
from agentos_runtime.settings import agent_os_id as runtimes_id
from tests.unit.runtime.signing import P256, RSA, pem

DEFAULTS = Defaults(TOKEN_ISSUER, "uid-1", "acme", "support--acme")
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
    "algorithms": ["ES256"],
    "publicKeySecretRef": {"name": "agentos-partner", "key": "public.pem"},
}
CONTROL_PLANE = {"enabled": True, "allowedOrigins": ["https://os.agno.com"], "publicKey": pem(RSA)}


def variables(spec: dict[str, Any]) -> dict[str, str]:
    """What pods have in their environment, as the kubelet hands it over."""
    access = parse_access({"auth": {}, **spec})
    built = build_access(access, {SecretKey("agentos-partner", "public.pem"): pem(P256)})
    return {each["name"]: each["value"].replace("$$", "$") for each in built}


def issuers(spec: dict[str, Any]) -> dict[str, Issuer]:
    parsed = parse_issuers(variables(spec).get("AGENTOS_ISSUERS", ""), DEFAULTS)
    return {issuer.name: issuer for issuer in parsed}


def test_a_workspace_that_says_nothing_changes_nothing_in_its_pods() -> None:
    assert variables({}) == {}
    assert issuers({}).keys() == {"generated"}


def test_every_kind_of_issuer_arrives() -> None:
    found = issuers({"auth": {"issuers": [GENERATED, APP, PARTNER]}, "controlPlane": CONTROL_PLANE})
    assert found.keys() == {"generated", "app", "partner", "control-plane"}
    assert found["app"].jwks_uri == APP["jwksURI"]
    assert found["partner"].public_key == pem(P256)
    assert found["control-plane"].audience == "support--acme"


def test_a_list_without_the_generated_secret_does_without_it() -> None:
    assert issuers({"auth": {"issuers": [APP]}}).keys() == {"app"}
    assert not parse_access({"auth": {"issuers": [APP]}}).generated


def test_a_control_plane_alone_takes_nothing_away() -> None:
    assert issuers({"controlPlane": CONTROL_PLANE}).keys() == {"generated", "control-plane"}
    assert issuers({"controlPlane": {**CONTROL_PLANE, "enabled": False}}).keys() == {"generated"}


@pytest.mark.parametrize(
    ("spec", "origins"),
    [
        ({"auth": {"allowedOrigins": ["https://app.example.com"]}}, "https://app.example.com"),
        ({"controlPlane": CONTROL_PLANE}, "https://os.agno.com"),
        (
            {"auth": {"allowedOrigins": ["https://app.example.com"]}, "controlPlane": CONTROL_PLANE},
            "https://app.example.com https://os.agno.com",
        ),
        ({"controlPlane": {**CONTROL_PLANE, "enabled": False}}, None),
    ],
    ids=["a front end", "a Control Plane", "both", "a Control Plane that is off"],
)
def test_origins_arrive(spec: dict[str, Any], origins: str | None) -> None:
    assert variables(spec).get("AGENTOS_ALLOWED_ORIGINS") == origins


def test_nothing_in_a_value_is_taken_for_another_variable() -> None:
    """The kubelet expands $(NAME); an issuer may contain that."""
    access = parse_access({"auth": {"issuers": [{**APP, "issuer": "https://x/$(AGENTOS_DATABASE_URL)"}]}})
    [variable] = build_access(access, {})
    assert "$$(AGENTOS_DATABASE_URL)" in variable["value"]


def test_both_call_the_agent_os_the_same() -> None:
    assert operators_id("support", "acme") == runtimes_id("support", "acme")
