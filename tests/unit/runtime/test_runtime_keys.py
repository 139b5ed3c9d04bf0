"""Which public keys are used: none that is weak, private, meant for something else, or of another algorithm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from agentos_runtime.auth.keys import MOST_KEYS, BadKeys, from_key_set, from_pem
from tests.unit.runtime.signing import ED25519, KEY_SET, P256, RSA, jwk, pem

ALL = frozenset({"EdDSA", "ES256", "PS256", "RS256"})
WEAK_RSA = rsa.generate_private_key(65537, 1024)
P384 = ec.generate_private_key(ec.SECP384R1())
ED448 = ed448.Ed448PrivateKey.generate()
GOOD = jwk(OKPAlgorithm, ED25519.public_key(), kid="good")
PASSED_OVER: dict[str, dict[str, Any]] = {
    "RSA of 1024 bits": jwk(RSAAlgorithm, WEAK_RSA.public_key(), kid="x"),
    "another curve": jwk(ECAlgorithm, P384.public_key(), kid="x"),
    "Ed448": jwk(OKPAlgorithm, ED448.public_key(), kid="x"),
    "a shared secret": {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAx", "kid": "x", "alg": "HS256"},
    "a private key": json.loads(OKPAlgorithm.to_jwk(ED25519)) | {"kid": "x"},
    "a key for encryption": jwk(RSAAlgorithm, RSA.public_key(), kid="x", use="enc"),
    "a key for another operation": jwk(RSAAlgorithm, RSA.public_key(), kid="x", key_ops=["encrypt"]),
    "operations that are no list": jwk(RSAAlgorithm, RSA.public_key(), kid="x", key_ops=7),
    "a key of an algorithm that is not pinned": jwk(RSAAlgorithm, RSA.public_key(), kid="x", alg="RS512"),
    "an algorithm of another kind of key": jwk(ECAlgorithm, P256.public_key(), kid="x", alg="EdDSA"),
    "an exponent of 1": jwk(RSAAlgorithm, RSA.public_key(), kid="x", e="AQ"),
    "a modulus that is no number": jwk(RSAAlgorithm, RSA.public_key(), kid="x", n=["AQAB"]),
    "a point beside the curve": jwk(ECAlgorithm, P256.public_key(), kid="x", y="AAAA"),
    "no id": jwk(OKPAlgorithm, ED25519.public_key()),
    "a numeric id": jwk(OKPAlgorithm, ED25519.public_key(), kid=7),
    "an empty key": {"kid": "x"},
}


@pytest.mark.parametrize("key", PASSED_OVER.values(), ids=PASSED_OVER.keys())
def test_a_key_that_is_not_fit_is_passed_over_and_spoils_nothing(key: dict[str, Any]) -> None:
    found = from_key_set(json.dumps({"keys": [key, GOOD]}).encode(), ALL)
    assert found.keys() == {"good"}


def test_entries_that_are_no_keys_at_all_are_passed_over() -> None:
    assert from_key_set(json.dumps({"keys": ["x", None, 7, GOOD]}).encode(), ALL).keys() == {"good"}


def test_of_two_keys_with_one_id_the_first_is_used() -> None:
    second = jwk(ECAlgorithm, P256.public_key(), kid="good")
    assert from_key_set(json.dumps({"keys": [GOOD, second]}).encode(), ALL)["good"].algorithms == {"EdDSA"}


def test_each_key_verifies_the_pinned_algorithms_that_fit_it() -> None:
    found = from_key_set(json.dumps(KEY_SET).encode(), frozenset({"ES256", "RS256"}))
    assert {key_id: set(key.algorithms) for key_id, key in found.items()} == {"ec": {"ES256"}, "rsa": {"RS256"}}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{}", b"null", b'{"keys": {}}', b'{"keys": "x"}', b"\xff\xfe", b"[" * 100_000, b"<html>"),
        json.dumps({"keys": [GOOD] * (MOST_KEYS + 1)}).encode(),
        json.dumps({"keys": [PASSED_OVER["Ed448"]]}).encode(),
    ],
    ids=lambda body: repr(body[:16]),
)
def test_what_is_no_usable_set_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(BadKeys):
        from_key_set(body, ALL)


def test_a_public_key_in_pem() -> None:
    assert from_pem(pem(RSA), frozenset({"RS256"})).algorithms == {"RS256"}
    assert from_pem(pem(ED25519), ALL).algorithms == {"EdDSA"}


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        ("", "RS256"),
        ("-----BEGIN PUBLIC KEY-----\nbm90IGEga2V5\n-----END PUBLIC KEY-----\n", "RS256"),
        (RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), "RS256"),
        (pem(WEAK_RSA), "RS256"),
        (pem(P256), "RS256"),
        (pem(RSA), "ES256"),
        (pem(P384), "ES256"),
    ],
    ids=["nothing", "no key", "a private key", "1024 bits", "EC for RS256", "RSA for ES256", "another curve"],
)
def test_pem_that_does_not_fit_is_refused_without_repeating_it(text: str, algorithm: str) -> None:
    with pytest.raises(BadKeys) as refused:
        from_pem(text, frozenset({algorithm}))
    assert not text.strip() or text.strip().splitlines()[1] not in str(refused.value)
