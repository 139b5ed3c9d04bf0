"""Who may sign tokens for a workspace, and which pages may send them: ``spec.auth`` and ``spec.controlPlane``.

The runtime judges tokens; here is read only what the operator needs to pass it on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentos_operator.resources.common import SecretKey

GENERATED = "GeneratedSecret"
CONTROL_PLANE = "ControlPlane"
"""How the runtime knows a Control Plane among the issuers."""


@dataclass(frozen=True)
class Issuer:
    """One who may sign."""

    fields: Mapping[str, Any]
    """As the Workspace has it, without the reference."""
    key: SecretKey | None
    """Where its public key stands, when that is a Secret."""


@dataclass(frozen=True)
class Access:
    """What runtimes must know to let callers in."""

    issuers: tuple[Issuer, ...]
    """None when nothing is said: then the generated secret alone."""
    origins: tuple[str, ...]

    @property
    def generated(self) -> bool:
        """Whether tokens of the workspace's generated secret are accepted."""
        return not self.issuers or any(issuer.fields["type"] == GENERATED for issuer in self.issuers)

    @property
    def control_plane(self) -> bool:
        """Whether a Control Plane may connect."""
        return any(issuer.fields["type"] == CONTROL_PLANE for issuer in self.issuers)

    @property
    def secret_keys(self) -> tuple[SecretKey, ...]:
        """Every Secret that holds a public key."""
        return tuple(sorted({issuer.key for issuer in self.issuers if issuer.key}))


def parse_access(spec: Mapping[str, Any]) -> Access:
    """Read it from a Workspace's spec as the API server stores it."""
    return Access(tuple(_issuers(spec)), tuple(sorted(set(_origins(spec)))))


def _issuers(spec: Mapping[str, Any]) -> Iterator[Issuer]:
    control_plane = spec.get("controlPlane", {})
    listed = spec["auth"].get("issuers", ())
    if not listed and control_plane.get("enabled"):
        # A Control Plane beside nothing else takes nothing away.
        listed = ({"name": "generated", "type": GENERATED},)
    for entry in listed:
        yield _issuer(entry)
    if control_plane.get("enabled"):
        named = {key: value for key, value in control_plane.items() if key not in ("enabled", "allowedOrigins")}
        yield _issuer({"name": "control-plane", "type": CONTROL_PLANE, **named})


def _issuer(entry: Mapping[str, Any]) -> Issuer:
    reference = entry.get("publicKeySecretRef")
    fields = {key: value for key, value in entry.items() if key != "publicKeySecretRef"}
    return Issuer(fields, SecretKey(reference["name"], reference["key"]) if reference else None)


def _origins(spec: Mapping[str, Any]) -> Iterator[str]:
    yield from spec["auth"].get("allowedOrigins", ())
    if spec.get("controlPlane", {}).get("enabled"):
        yield from spec["controlPlane"]["allowedOrigins"]
