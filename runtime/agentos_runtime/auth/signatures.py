"""How a signature is checked: by the workspace's own secrets, by one public key, or by a published set of keys.

Built once at start by `signatures_for`; `tokens.py` asks with the algorithm already held against the issuer's own.
"""

# ruff: noqa: PLC0415 - PyJWT and cryptography are imported with the first token: a start needs neither

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from agentos_runtime.auth.fetch import Fetch, FetchFailed
from agentos_runtime.auth.jwks import KeySet
from agentos_runtime.auth.reading import BadToken, key_id_of
from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.issuers import GENERATED, JWKS, Issuer

if TYPE_CHECKING:
    from agentos_runtime.auth.keys import Key

_FROM_ISSUERS = frozenset({"alg", "typ"})
"""Header fields of the workspace's own tokens: `kid` and others have no meaning for a shared secret."""
_ANOTHER_KEY = frozenset({"b64", "crit", "enc", "jku", "jwk", "x5c", "x5u", "zip"})
"""Fields by which a token would bring its own key or its own rules (RFC 8725, 3.9 and 3.10)."""


class Signatures(Protocol):
    """One issuer's way."""

    def check_header(self, header: Mapping[str, Any]) -> None:
        """BadToken when the header holds what it must not."""

    async def check(self, token: bytes, header: Mapping[str, Any]) -> None:
        """BadToken when the signature is not the issuer's."""


def signatures_for(issuer: Issuer, secrets: tuple[str, ...], *, laptop: bool) -> Signatures:
    """The way of `issuer`; StartupError when its key or its address cannot be used."""
    if issuer.type == GENERATED:
        return SharedSecrets(secrets)
    if issuer.type == JWKS:
        try:
            fetch = Fetch(issuer.jwks_uri, laptop=laptop)
        except FetchFailed as error:
            raise _unusable(issuer, error) from None
        return PublishedKeys(KeySet(issuer.name, issuer.algorithms, fetch))
    from agentos_runtime.auth.keys import BadKeys, from_pem

    try:
        return PublicKey(from_pem(issuer.public_key, issuer.algorithms))
    except BadKeys as error:
        raise _unusable(issuer, error) from None


def _unusable(issuer: Issuer, error: Exception) -> StartupError:
    return StartupError(Reason.INVALID_SETTINGS, f"The key of the issuer {issuer.name} cannot be used: {error}")


class SharedSecrets:
    """HS256 with any of the workspace's secrets: two while one takes over from the other."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets

    def check_header(self, header: Mapping[str, Any]) -> None:
        """Nothing but what the workspace's own tokens have."""
        if header.keys() - _FROM_ISSUERS:
            raise BadToken("header")

    async def check(self, token: bytes, header: Mapping[str, Any]) -> None:
        """Any of the secrets will do."""
        if not any(_fits(token, secret, header["alg"]) for secret in self._secrets):
            raise BadToken("signature")


class PublicKey:
    """One key, whatever `kid` says."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def check_header(self, header: Mapping[str, Any]) -> None:
        """Nothing that brings another key."""
        _check_foreign(header)

    async def check(self, token: bytes, header: Mapping[str, Any]) -> None:
        """The one key must fit."""
        _check_with(self._key, token, header)


class PublishedKeys:
    """The key that `kid` names, out of the set that the issuer publishes."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def check_header(self, header: Mapping[str, Any]) -> None:
        """It must name its key."""
        _check_foreign(header)
        if key_id_of(header) is None:
            raise BadToken("key")

    async def check(self, token: bytes, header: Mapping[str, Any]) -> None:
        """The named key must fit."""
        key = await self._keys.find(header["kid"])
        if key is None:
            raise BadToken("key")
        _check_with(key, token, header)


def _check_foreign(header: Mapping[str, Any]) -> None:
    if header.keys() & _ANOTHER_KEY:
        raise BadToken("header")
    key_id_of(header)


def _check_with(key: Key, token: bytes, header: Mapping[str, Any]) -> None:
    if header["alg"] not in key.algorithms:
        raise BadToken("algorithm")
    if not _fits(token, key.public, header["alg"]):
        raise BadToken("signature")


def _fits(token: bytes, key: Any, algorithm: str) -> bool:
    """PyJWT's part, with one key and one algorithm."""
    import jwt

    try:
        jwt.api_jws.decode(token, key, algorithms=[algorithm])
    except jwt.InvalidSignatureError:
        return False
    except jwt.PyJWTError:
        raise BadToken("malformed") from None
    return True
