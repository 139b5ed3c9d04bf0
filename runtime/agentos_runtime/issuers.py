"""Who may sign tokens for a workspace, as the operator writes it into the pods' environment.

One JSON list in AGENTOS_ISSUERS, in the terms of the Workspace's `spec.auth.issuers`, with the Control Plane as one
more entry. Nothing in it is secret: public keys, addresses and names. Read by `settings.py`, used by `auth/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentos_runtime.errors import Reason, StartupError

GENERATED, JWKS, PUBLIC_KEY, CONTROL_PLANE = "GeneratedSecret", "JWKS", "PublicKey", "ControlPlane"
WORKSPACE_CLAIM = "workspace_id"
PUBLIC_KEY_ALGORITHMS = frozenset({"EdDSA", "ES256", "PS256", "RS256"})
"""Signatures that a public key verifies: Ed25519, P-256 and RSA."""
_VARIABLE = "AGENTOS_ISSUERS"


@dataclass(frozen=True)
class Issuer:
    """One who may sign, and what must stand in the tokens."""

    name: str
    """How logs and messages call it."""
    type: str
    issuer: str | None
    """Exact value of `iss`; None for a Control Plane, whose tokens need not have one."""
    audience: str
    """Exact value of `aud`."""
    workspace: tuple[str, str] | None
    """Claim and value that name the workspace; None for a Control Plane, whose key and audience do."""
    algorithms: frozenset[str]
    jwks_uri: str = ""
    public_key: str = ""
    """PEM."""
    default_scopes: tuple[str, ...] = ()
    """What a token may do that says nothing of scopes."""


@dataclass(frozen=True)
class Defaults:
    """What holds where an entry says nothing."""

    issuer: str
    """`iss` of the workspace's own tokens."""
    audience: str
    workspace: str
    agent_os: str
    """Id of the AgentOS, which is the audience of a Control Plane's tokens."""


def parse_issuers(text: str, defaults: Defaults) -> tuple[Issuer, ...]:
    """The issuers of AGENTOS_ISSUERS; when it is empty, the workspace's generated secret alone."""
    try:
        entries = json.loads(text) if text else [{"name": "generated", "type": GENERATED}]
        issuers = tuple(_parse(entry, defaults) for entry in entries)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _invalid("is not the list of issuers that this version understands") from None
    _check(issuers)
    return issuers


def _parse(entry: Mapping[str, Any], defaults: Defaults) -> Issuer:
    kind = entry["type"]
    control_plane = kind == CONTROL_PLANE
    claim = entry.get("workspaceClaim", WORKSPACE_CLAIM), entry.get("workspaceValue", defaults.workspace)
    return Issuer(
        name=entry["name"],
        type=kind,
        issuer=defaults.issuer if kind == GENERATED else entry.get("issuer"),
        audience=entry.get("audience", defaults.agent_os if control_plane else defaults.audience),
        workspace=None if control_plane else claim,
        algorithms=frozenset(_default_algorithms(kind) or entry["algorithms"]),
        jwks_uri=entry.get("jwksURI", ""),
        public_key=entry.get("publicKey", ""),
        default_scopes=tuple(entry.get("defaultScopes", ())),
    )


def _default_algorithms(kind: str) -> tuple[str, ...]:
    return {GENERATED: ("HS256",), CONTROL_PLANE: ("RS256",)}.get(kind, ())


def _check(issuers: tuple[Issuer, ...]) -> None:
    """What the CRD promises, once more: on a laptop nothing else has checked it."""
    if not issuers:
        raise _invalid("names no issuer, so no token could be accepted")
    names = [issuer.issuer for issuer in issuers]
    if len(set(names)) != len(names):
        raise _invalid("has two entries with the same issuer")
    for each in issuers:
        where = f"has an entry {each.name} "
        if each.type not in (GENERATED, JWKS, PUBLIC_KEY, CONTROL_PLANE):
            raise _invalid(f"{where}of a type that this version does not know")
        if each.type != GENERATED and not each.algorithms <= PUBLIC_KEY_ALGORITHMS:
            allowed = ", ".join(sorted(PUBLIC_KEY_ALGORITHMS))
            raise _invalid(f"{where}with an algorithm that no public key verifies; use one of {allowed}")
        if not each.issuer and each.type != CONTROL_PLANE:
            raise _invalid(f"{where}without issuer")
        if (each.type == JWKS) != bool(each.jwks_uri) or (each.type in (PUBLIC_KEY, CONTROL_PLANE)) != bool(
            each.public_key
        ):
            raise _invalid(f"{where}whose key is not where its type says: jwksURI for JWKS, publicKey for a public key")


def _invalid(problem: str) -> StartupError:
    return StartupError(Reason.INVALID_SETTINGS, f"{_VARIABLE} {problem}")
