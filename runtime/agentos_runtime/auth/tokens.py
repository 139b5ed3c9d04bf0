"""Whether a token is one of this workspace's, judged after RFC 8725.

agno accepts tokens without expiry or subject, with an expiry in text, with a claim given twice; here
everything that is not exactly a token the workspace's own issuer would write is refused. A refusal names a
class, for the caller and for the log; never what the token held.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import jwt

from agentos_runtime.settings import AuthSettings

_LONGEST_TOKEN = 8 * 1024
_LONGEST_SUBJECT = 255
_SUBJECT = re.compile(r"[^\x00-\x1f\x7f]+")
_SCOPE = re.compile(r"[A-Za-z0-9_.*-]+(:[A-Za-z0-9_.*-]+){1,3}")
_RESERVED_SUBJECTS = ("sa:", "__")
"""agno's own principals: service accounts, the scheduler, OAuth clients."""
_HEADER = frozenset({"alg", "typ"})
"""Header fields a token may have. `crit`, `b64`, `jwk`, `jku`, `x5u`, `kid` have no meaning for a shared
secret, and a token that relies on one is not ours."""


@dataclass(frozen=True)
class Identity:
    """A verified caller."""

    user: str
    workspace: str
    scopes: tuple[str, ...]
    claims: Mapping[str, Any]


class BadToken(Exception):
    """A token that is refused, with the class of the reason."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Verifier:
    """Judges tokens against one workspace's secrets, audience and name."""

    def __init__(self, settings: AuthSettings, workspace: str) -> None:
        self._settings = settings
        self._workspace = workspace

    def verify(self, token: bytes, now: float | None = None) -> Identity:
        """The caller a token speaks for; BadToken where it is not to be believed."""
        header, claims = _read(token)
        _check_header(header)
        self._check_signature(token)
        self._check_times(claims, time.time() if now is None else now)
        self._check_origin(claims)
        return Identity(user=_subject(claims), workspace=self._workspace, scopes=_scopes(claims), claims=claims)

    def _check_signature(self, token: bytes) -> None:
        """PyJWT's part, with one algorithm and every secret of the workspace."""
        for secret in self._settings.secrets:
            try:
                jwt.api_jws.decode(token, secret, algorithms=["HS256"])
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError:
                raise BadToken("malformed") from None
            return
        raise BadToken("signature")

    def _check_times(self, claims: Mapping[str, Any], now: float) -> None:
        issued, expires = _time(claims, "iat"), _time(claims, "exp")
        leeway = self._settings.leeway_seconds
        if now >= expires + leeway:
            raise BadToken("expired")
        if issued > now + leeway or ("nbf" in claims and _time(claims, "nbf") > now + leeway):
            raise BadToken("not yet valid")
        if not 0 < expires - issued <= self._settings.max_lifetime_seconds:
            raise BadToken("lifetime")

    def _check_origin(self, claims: Mapping[str, Any]) -> None:
        if claims.get("iss") != self._settings.issuer:
            raise BadToken("issuer")
        if claims.get("aud") not in (self._settings.audience, [self._settings.audience]):
            raise BadToken("audience")
        if claims.get("workspace_id") != self._workspace:
            raise BadToken("workspace")


def _read(token: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims, from a token in its one canonical spelling."""
    parts = token.split(b".")
    if len(token) > _LONGEST_TOKEN or len(parts) != 3:
        raise BadToken("malformed")
    header, claims, _signature = (_decode(part) for part in parts)
    return _object(header), _object(claims)


def _decode(part: bytes) -> bytes:
    """base64url without padding; a second spelling of the same bytes is refused."""
    try:
        raw = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadToken("malformed") from None
    if not raw or base64.urlsafe_b64encode(raw).rstrip(b"=") != part:
        raise BadToken("malformed")
    return raw


def _object(raw: bytes) -> Mapping[str, Any]:
    """A JSON object that names nothing twice and holds no NaN."""
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadToken("malformed") from None
    if not isinstance(value, dict):
        raise BadToken("malformed")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadToken("malformed")
    return members


def _no_constant(_name: str) -> NoReturn:
    raise BadToken("malformed")


def _check_header(header: Mapping[str, Any]) -> None:
    if header.get("alg") != "HS256":
        raise BadToken("algorithm")
    if header.keys() - _HEADER or header.get("typ", "JWT") not in ("JWT", "jwt", "at+jwt"):
        raise BadToken("header")


def _time(claims: Mapping[str, Any], name: str) -> float:
    """A claim that is a time: a plain number of this era."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e11:
        raise BadToken(name)
    return value


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise BadToken("subject")
    if not _SUBJECT.fullmatch(subject) or not subject.strip() or subject.startswith(_RESERVED_SUBJECTS):
        raise BadToken("subject")
    return subject


def _scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    scopes = claims.get("scopes")
    if not isinstance(scopes, list) or len(scopes) > 100:
        raise BadToken("scopes")
    if not all(isinstance(scope, str) and _SCOPE.fullmatch(scope) for scope in scopes):
        raise BadToken("scopes")
    return tuple(scopes)
