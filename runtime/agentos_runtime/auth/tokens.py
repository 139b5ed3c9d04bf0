"""Whether a token is one of this workspace's, judged after RFC 8725.

agno accepts tokens without expiry or subject, with an expiry in text, with a claim given twice; here everything that is
not exactly a token of one of the workspace's issuers is refused. `iss` chooses the issuer, the issuer its algorithms
and keys, and only then is the signature checked. A refusal names a class, for the caller and for the log; never what
the token held.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentos_runtime.auth.reading import BadToken, read, scopes_of, subject_of, time_of
from agentos_runtime.auth.signatures import Signatures, signatures_for
from agentos_runtime.issuers import Issuer
from agentos_runtime.settings import AuthSettings


@dataclass(frozen=True)
class Identity:
    """A verified caller."""

    user: str
    workspace: str
    scopes: tuple[str, ...]
    claims: Mapping[str, Any]
    issuer: str
    """Name of the issuer, as the Workspace calls it."""


class Verifier:
    """Judges tokens against one workspace's issuers and name."""

    def __init__(self, settings: AuthSettings, workspace: str, signatures: Mapping[str, Signatures]) -> None:
        self._settings = settings
        self._workspace = workspace
        self._signatures = signatures
        self._by_name = {issuer.issuer: issuer for issuer in settings.issuers}

    async def verify(self, token: bytes, now: float | None = None) -> Identity:
        """The caller a token speaks for; BadToken where it is not to be believed."""
        header, claims = read(token)
        issuer = self._issuer_of(claims)
        signatures = self._signatures[issuer.name]
        _check_header(header, issuer)
        signatures.check_header(header)
        await signatures.check(token, header)
        self._check_times(claims, time.time() if now is None else now)
        _check_place(claims, issuer)
        return Identity(
            user=subject_of(claims),
            workspace=self._workspace,
            scopes=scopes_of(claims, issuer.default_scopes),
            claims=claims,
            issuer=issuer.name,
        )

    def _issuer_of(self, claims: Mapping[str, Any]) -> Issuer:
        """By the exact name; what no other issuer claims is left to a Control Plane without a name."""
        name = claims.get("iss")
        found = self._by_name.get(name) if isinstance(name, str) else None
        found = found or self._by_name.get(None)
        if found is None or ("iss" in claims and not isinstance(name, str)):
            raise BadToken("issuer")
        return found

    def _check_times(self, claims: Mapping[str, Any], now: float) -> None:
        issued, expires = time_of(claims, "iat"), time_of(claims, "exp")
        leeway = self._settings.leeway_seconds
        if now >= expires + leeway:
            raise BadToken("expired")
        if issued > now + leeway or ("nbf" in claims and time_of(claims, "nbf") > now + leeway):
            raise BadToken("not yet valid")
        if not 0 < expires - issued <= self._settings.max_lifetime_seconds:
            raise BadToken("lifetime")


def create_verifier(settings: AuthSettings, workspace: str, *, laptop: bool) -> Verifier:
    """The verifier of a process; StartupError when an issuer's key cannot be used."""
    signatures = {each.name: signatures_for(each, settings.secrets, laptop=laptop) for each in settings.issuers}
    return Verifier(settings, workspace, signatures)


def _check_header(header: Mapping[str, Any], issuer: Issuer) -> None:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
        raise BadToken("algorithm")
    if header.get("typ", "JWT") not in ("JWT", "jwt", "at+jwt"):
        raise BadToken("header")


def _check_place(claims: Mapping[str, Any], issuer: Issuer) -> None:
    """`aud` and the workspace's own claim both bind a token to this workspace."""
    if claims.get("aud") not in (issuer.audience, [issuer.audience]):
        raise BadToken("audience")
    if issuer.workspace is not None:
        claim, value = issuer.workspace
        if claims.get(claim) != value:
            raise BadToken("workspace")
