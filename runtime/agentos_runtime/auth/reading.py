"""The form of a token, before anybody's key is asked: one canonical spelling, no claim twice, plain values.

Used by `tokens.py`. Every function raises BadToken with the class of the reason, and never what the token held.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

_LONGEST_TOKEN = 8 * 1024
_LONGEST_SUBJECT = 255
LONGEST_KEY_ID = 200
"""Characters of `kid`, in a token as in a set of keys."""
_SUBJECT = re.compile(r"[^\x00-\x1f\x7f]+")
_SCOPE = re.compile(r"[A-Za-z0-9_.*-]+(:[A-Za-z0-9_.*-]+){1,3}")
_RESERVED_SUBJECTS = ("sa:", "__")
"""agno's own principals: service accounts, the scheduler, OAuth clients."""


class BadToken(Exception):
    """A token that is refused, with the class of the reason."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def read(token: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims, from a token in its one canonical spelling; believed by nobody yet."""
    parts = token.split(b".")
    if len(token) > _LONGEST_TOKEN or len(parts) != 3:
        raise BadToken("malformed")
    header, claims, _signature = (_decode(part) for part in parts)
    return read_object(header), read_object(claims)


def _decode(part: bytes) -> bytes:
    """base64url without padding; a second spelling of the same bytes is refused."""
    try:
        raw = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadToken("malformed") from None
    if not raw or base64.urlsafe_b64encode(raw).rstrip(b"=") != part:
        raise BadToken("malformed")
    return raw


def read_object(raw: bytes) -> Mapping[str, Any]:
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


def time_of(claims: Mapping[str, Any], name: str) -> float:
    """A claim that is a time: a plain number of this era."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e11:
        raise BadToken(name)
    return value


def subject_of(claims: Mapping[str, Any]) -> str:
    """Whom the token speaks for."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise BadToken("subject")
    if not _SUBJECT.fullmatch(subject) or not subject.strip() or subject.startswith(_RESERVED_SUBJECTS):
        raise BadToken("subject")
    return subject


def scopes_of(claims: Mapping[str, Any], default: tuple[str, ...]) -> tuple[str, ...]:
    """What the token may do, in agno's grammar; `default` where it says nothing of scopes."""
    if "scopes" not in claims and default:
        return default
    scopes = claims.get("scopes")
    if not isinstance(scopes, list) or len(scopes) > 100:
        raise BadToken("scopes")
    if not all(isinstance(scope, str) and _SCOPE.fullmatch(scope) for scope in scopes):
        raise BadToken("scopes")
    return tuple(scopes)


def key_id_of(header: Mapping[str, Any]) -> str | None:
    """`kid`, where the header has one."""
    if "kid" not in header:
        return None
    key_id = header["kid"]
    if not isinstance(key_id, str) or not 0 < len(key_id) <= LONGEST_KEY_ID:
        raise BadToken("header")
    return key_id
