"""What the operator writes into AGENTOS_ISSUERS, as the runtime reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentos_runtime.auth.tokens import create_verifier
from agentos_runtime.cli import main
from agentos_runtime.errors import StartupError
from agentos_runtime.issuers import Defaults, Issuer, parse_issuers
from agentos_runtime.settings import AuthSettings, agent_os_id, settings_from
from tests.unit.runtime.signing import P256, RSA, pem

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "support.yaml"
DEFAULTS = Defaults("agentos.hyvve.io", "uid-1", "acme", "support--acme")
JWKS = {
    "name": "app",
    "type": "JWKS",
    "issuer": "https://app.example.com",
    "jwksURI": "https://app.example.com/api/auth/jwks",
    "algorithms": ["EdDSA"],
}
KEY = {"name": "api", "type": "PublicKey", "issuer": "api", "publicKey": pem(RSA), "algorithms": ["RS256"]}
CONTROL_PLANE = {"name": "control-plane", "type": "ControlPlane", "publicKey": pem(RSA)}


def parse(*entries: dict[str, Any]) -> tuple[Issuer, ...]:
    return parse_issuers(json.dumps(entries), DEFAULTS)


def test_without_a_list_the_generated_secret_signs_alone() -> None:
    [issuer] = parse_issuers("", DEFAULTS)
    assert (issuer.type, issuer.issuer, issuer.audience) == ("GeneratedSecret", "agentos.hyvve.io", "uid-1")
    assert issuer.algorithms == {"HS256"}
    assert issuer.workspace == ("workspace_id", "acme")


def test_the_workspaces_own_values_hold_where_an_issuer_says_nothing() -> None:
    [issuer] = parse(JWKS)
    assert (issuer.audience, issuer.workspace, issuer.default_scopes) == ("uid-1", ("workspace_id", "acme"), ())


def test_an_issuer_may_have_its_own() -> None:
    own = {"audience": "hyvve", "workspaceClaim": "org", "workspaceValue": "org_7", "defaultScopes": ["agents:run"]}
    [issuer] = parse({**JWKS, **own})
    assert (issuer.audience, issuer.workspace) == ("hyvve", ("org", "org_7"))
    assert issuer.default_scopes == ("agents:run",)


def test_a_control_planes_tokens_are_bound_by_its_key_and_the_agent_os() -> None:
    [issuer] = parse(CONTROL_PLANE)
    assert (issuer.issuer, issuer.audience, issuer.workspace) == (None, "support--acme", None)
    assert issuer.algorithms == {"RS256"}


BROKEN: dict[str, list[Any]] = {
    "nothing in the list": [],
    "an entry that is no object": ["x"],
    "no type": [{"name": "x"}],
    "an unknown type": [{**JWKS, "type": "LDAP"}],
    "no algorithms": [{k: v for k, v in JWKS.items() if k != "algorithms"}],
    "HS256 with a set of keys": [{**JWKS, "algorithms": ["HS256"]}],
    "HS256 with a public key": [{**KEY, "algorithms": ["HS256", "RS256"]}],
    "the algorithm none": [{**KEY, "algorithms": ["none"]}],
    "no issuer": [{k: v for k, v in JWKS.items() if k != "issuer"}],
    "the same issuer twice": [JWKS, {**JWKS, "name": "other"}],
    "the issuer of the generated secret": [
        {"name": "generated", "type": "GeneratedSecret"},
        {**JWKS, "issuer": "agentos.hyvve.io"},
    ],
    "a set of keys without its address": [{k: v for k, v in JWKS.items() if k != "jwksURI"}],
    "a public key without the key": [{k: v for k, v in KEY.items() if k != "publicKey"}],
    "both": [{**JWKS, "publicKey": pem(RSA)}],
}


@pytest.mark.parametrize("entries", BROKEN.values(), ids=BROKEN.keys())
def test_a_list_that_makes_no_sense_stops_the_start(entries: list[Any]) -> None:
    with pytest.raises(StartupError, match="AGENTOS_ISSUERS") as stopped:
        parse(*entries)
    assert stopped.value.reason == "InvalidSettings"


def test_text_that_is_no_list_stops_the_start() -> None:
    for text in ("{", "7", '"x"', "{}"):
        with pytest.raises(StartupError, match="AGENTOS_ISSUERS"):
            parse_issuers(text, DEFAULTS)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (
            {**KEY, "publicKey": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"},
            "api cannot be used: it is no",
        ),
        ({**KEY, "publicKey": pem(P256)}, "api cannot be used: it is no key for RS256"),
        ({**JWKS, "jwksURI": "http://app.example.com/jwks"}, "app cannot be used: a set of keys needs https"),
    ],
    ids=["no PEM", "a key of another kind", "http"],
)
def test_a_key_that_cannot_be_used_stops_the_start_and_names_its_issuer(entry: dict[str, Any], says: str) -> None:
    settings = AuthSettings(secrets=(), issuers=parse(entry))
    with pytest.raises(StartupError, match=says):
        create_verifier(settings, "acme", laptop=False)


def test_origins_are_those_of_the_environment_and_none_in_a_pod_without() -> None:
    pod = {
        "AGENTOS_WORKSPACE": "acme",
        "AGENTOS_DEPLOYMENT": "support",
        "AGENTOS_DATABASE_URL": "sqlite:///x.db",
        "AGENTOS_JWT_VERIFICATION_SECRETS": "a" * 32,
        "AGENTOS_JWT_AUDIENCE": "uid-1",
    }
    settings = settings_from(dict(pod), spec_file=Path("support.yaml"))
    assert (settings.auth.origins, settings.auth.control_plane) == ((), False)
    named = {**pod, "AGENTOS_ALLOWED_ORIGINS": "https://app.example.com https://os.agno.com"}
    settings = settings_from(named, spec_file=Path("support.yaml"))
    assert settings.auth.origins == ("https://app.example.com", "https://os.agno.com")
    laptop = settings_from({}, spec_file=Path("support.yaml"))
    assert laptop.auth.origins == ("http://localhost:3000", "https://os.agno.com")


def test_the_agent_os_of_a_deployment_has_an_id_that_no_other_workspace_has() -> None:
    """The Control Plane tells AgentOS apart by it, and its tokens name it as their audience."""
    assert agent_os_id("support", "acme") == "support--acme" != agent_os_id("support", "globex")


@pytest.mark.parametrize(("entries", "shown"), [([], True), ([JWKS], False)], ids=["by default", "key sets alone"])
def test_a_laptop_shows_a_development_token_only_where_it_is_accepted(
    entries: list[Any], shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("agentos_runtime.server.serve", lambda *_: None)
    environ = {"AGENTOS_ISSUERS": json.dumps(entries)} if entries else {}
    assert main(["serve", "-f", str(EXAMPLE)], environ) == 0
    assert ("Development token" in capsys.readouterr().err) is shown
