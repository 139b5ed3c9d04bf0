"""Public keys, from PEM or from a set of JWKs, each with the algorithms that it may verify.

Nothing here is imported before a workspace has an issuer with a public key: `cryptography` costs a start 40 ms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from agentos_runtime.auth.reading import LONGEST_KEY_ID

MOST_KEYS = 64
"""Keys of a set; one with more is refused."""
_RSA_BITS = range(2048, 4096 + 1)
"""Shorter is weak (RFC 8725, 3.5 and NIST SP 800-131A), longer makes every bad token expensive."""
_RSA_EXPONENT_BITS = 32
_READERS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
    "RSA": RSAAlgorithm.from_jwk,
}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})


class BadKeys(Exception):
    """No usable key; the message is for the log of whoever configured it."""


@dataclass(frozen=True)
class Key:
    """A public key."""

    public: Any
    algorithms: frozenset[str]


def from_pem(text: str, algorithms: frozenset[str]) -> Key:
    """A key in PEM, which fits at least one of `algorithms`."""
    try:
        key = _key(load_pem_public_key(text.encode()), algorithms)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKeys("it is no public key in PEM (-----BEGIN PUBLIC KEY-----)") from None
    if key is None:
        names, bits = ", ".join(sorted(algorithms)), f"{_RSA_BITS[0]} to {_RSA_BITS[-1]}"
        raise BadKeys(f"it is no key for {names}; one of RSA needs {bits} bits")
    return key


def from_key_set(raw: bytes, algorithms: frozenset[str]) -> Mapping[str, Key]:
    """The keys of a JWK set (RFC 7517) that verify one of `algorithms`, by their id; others are passed over."""
    try:
        entries = json.loads(raw)["keys"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise BadKeys("the answer is no set of keys") from None
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise BadKeys(f"the answer is no set of at most {MOST_KEYS} keys")
    keys: dict[str, Key] = {}
    for entry in entries:
        key_id = entry.get("kid") if isinstance(entry, dict) else None
        if not isinstance(key_id, str) or not 0 < len(key_id) <= LONGEST_KEY_ID:
            continue
        key = _from_jwk(entry, algorithms)
        if key is not None:
            keys.setdefault(key_id, key)
    if not keys:
        raise BadKeys(f"the set holds no key with an id for {', '.join(sorted(algorithms))}")
    return keys


def _from_jwk(jwk: Mapping[str, Any], algorithms: frozenset[str]) -> Key | None:
    """None for a key of another kind or use, and for one that is not public."""
    read = _READERS.get(str(jwk.get("kty")))
    if read is None or jwk.keys() & _PRIVATE or jwk.get("use", "sig") != "sig":
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    wanted = algorithms & {str(jwk["alg"])} if "alg" in jwk else algorithms
    try:
        return _key(read(dict(jwk)), wanted)
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        return None


def _key(public: Any, wanted: frozenset[str]) -> Key | None:
    algorithms = _algorithms(public) & wanted
    return Key(public, algorithms) if algorithms else None


def _algorithms(public: Any) -> frozenset[str]:
    """What a key verifies; nothing where it is weak or unknown."""
    if isinstance(public, Ed25519PublicKey):
        return frozenset({"EdDSA"})
    if isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1):
        return frozenset({"ES256"})
    if isinstance(public, RSAPublicKey) and public.key_size in _RSA_BITS:
        exponent = public.public_numbers().e
        if exponent > 2 and exponent.bit_length() <= _RSA_EXPONENT_BITS:
            return frozenset({"RS256", "PS256"})
    return frozenset()
