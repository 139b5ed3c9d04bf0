"""Every token that must not open a workspace, by name. Each of them would be a way in if it were accepted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from agentos_runtime.auth.tokens import BadToken, Verifier
from agentos_runtime.settings import AuthSettings

SECRET = "the-workspace-secret-of-the-tests-0123456789"
NEXT_SECRET = "the-next-secret-in-a-rotation-0123456789abc"
NOW = 1_800_000_000
SETTINGS = AuthSettings(secrets=(SECRET, NEXT_SECRET), audience="uid-1", issuer="agentos.hyvve.io")
VERIFIER = Verifier(SETTINGS, "acme")
CLAIMS: dict[str, Any] = {
    "iss": "agentos.hyvve.io",
    "aud": "uid-1",
    "sub": "alice",
    "iat": NOW,
    "exp": NOW + 600,
    "workspace_id": "acme",
    "scopes": ["agents:run"],
}


def b64(raw: bytes | str) -> str:
    data = raw.encode() if isinstance(raw, str) else raw
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(header: str | bytes, claims: str | bytes, secret: str = SECRET, digest: str = "sha256") -> str:
    """A token of raw parts with a signature that is right for them."""
    body = f"{b64(header)}.{b64(claims)}"
    return f"{body}.{b64(hmac.new(secret.encode(), body.encode(), digest).digest())}"


def token(header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A good token, or one whose header or claims differ; a claim of `...` is left out."""
    claims = {k: v for k, v in (CLAIMS | changes).items() if v is not ...}
    return signed(json.dumps({"alg": "HS256", "typ": "JWT"} | (header or {})), json.dumps(claims))


def with_claims(text: str) -> str:
    """A token whose claims are this text."""
    return signed('{"alg":"HS256"}', text)


GOOD = token()
HEAD, BODY, SIGNATURE = GOOD.split(".")
CLAIMS_TEXT = json.dumps(CLAIMS)


def without_signature(alg: str, signature: str = "") -> str:
    header = {"alg": alg} if alg else {"typ": "JWT"}
    return f"{b64(json.dumps(header))}.{BODY}.{signature}"


def flipped_bit() -> str:
    raw = bytearray(base64.urlsafe_b64decode(SIGNATURE + "="))
    raw[5] ^= 1
    return f"{HEAD}.{BODY}.{b64(bytes(raw))}"


def second_spelling() -> str:
    """The last character of 32 bytes in base64 carries two bits that mean nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return GOOD[:-1] + alphabet[alphabet.index(GOOD[-1]) ^ 1]


def asymmetric(alg: str, length: int, **header: Any) -> str:
    """A token as a key of the caller's own would sign it: what the signature holds makes no difference here."""
    return f"{b64(json.dumps({'alg': alg, **header}))}.{BODY}.{b64(bytes(range(1, length + 1)))}"


JWK = {"kty": "OKP", "crv": "Ed25519", "x": b64(b"k" * 32)}
PEM = "-----BEGIN PUBLIC KEY-----\n" + "TUlJQklq" * 20 + "\n-----END PUBLIC KEY-----\n"


BAD: dict[str, Callable[[], str]] = {
    "alg none": lambda: without_signature("none"),
    "alg nOnE": lambda: without_signature("nOnE"),
    "alg none with the signature kept": lambda: without_signature("none", SIGNATURE),
    "alg missing": lambda: signed('{"typ":"JWT"}', CLAIMS_TEXT),
    "alg not a string": lambda: signed('{"alg":["HS256"]}', CLAIMS_TEXT),
    "HS512 with our secret": lambda: signed('{"alg":"HS512"}', CLAIMS_TEXT, digest="sha512"),
    "HS384 in the header over an HS256 signature": lambda: signed('{"alg":"HS384"}', CLAIMS_TEXT),
    "their own RS256": lambda: asymmetric("RS256", 255),
    "their own EdDSA": lambda: asymmetric("EdDSA", 64),
    "their own EdDSA with its key in the header": lambda: asymmetric("EdDSA", 64, jwk=JWK),
    "our signature and a key in the header": lambda: token({"jwk": JWK}),
    "a public key used as our secret": lambda: signed('{"alg":"HS256"}', CLAIMS_TEXT, PEM),
    "another workspace's secret": lambda: signed('{"alg":"HS256"}', CLAIMS_TEXT, "x" * 40),
    "a short secret": lambda: signed('{"alg":"HS256"}', CLAIMS_TEXT, "short"),
    "an empty secret": lambda: signed('{"alg":"HS256"}', CLAIMS_TEXT, ""),
    "one bit of the signature flipped": flipped_bit,
    "a second spelling of the signature": second_spelling,
    "the signature cut short": lambda: GOOD[:-6],
    "no signature": lambda: f"{HEAD}.{BODY}.",
    "two segments": lambda: f"{HEAD}.{BODY}",
    "four segments": lambda: f"{GOOD}.{SIGNATURE}",
    "five segments, as a JWE has": lambda: ".".join([HEAD, "", BODY, BODY, SIGNATURE]),
    "the claims swapped for others": lambda: f"{HEAD}.{token(sub='admin').split('.')[1]}.{SIGNATURE}",
    "padding kept": lambda: f"{HEAD}=.{BODY}.{SIGNATURE}",
    "a space inside": lambda: GOOD.replace(".", ". ", 1),
    "nothing": lambda: "",
    "text": lambda: "not-a-token",
    "one megabyte": lambda: token(sub="a" * 1_000_000),
    "expired": lambda: token(iat=NOW - 700, exp=NOW - 100),
    "expired just beyond the leeway": lambda: token(iat=NOW - 700, exp=NOW - 10),
    "not before a minute from now": lambda: token(nbf=NOW + 60),
    "issued in the future": lambda: token(iat=NOW + 60),
    "exp null": lambda: token(exp=None),
    "exp NaN": lambda: token(exp=float("nan")),
    "exp Infinity": lambda: token(exp=float("inf")),
    "exp -1": lambda: token(exp=-1),
    "exp as a string": lambda: token(exp=str(NOW + 600)),
    "exp true": lambda: token(exp=True),
    "exp 1e30": lambda: token(exp=1e30),
    "exp missing": lambda: token(exp=...),
    "exp a week away": lambda: token(exp=NOW + 7 * 86400),
    "exp before iat": lambda: token(iat=NOW, exp=NOW - 5),
    "iat missing": lambda: token(iat=...),
    "iat as a string": lambda: token(iat=str(NOW)),
    "nbf as a string": lambda: token(nbf=str(NOW)),
    "another workspace's audience": lambda: token(aud="uid-2"),
    "no audience": lambda: token(aud=...),
    "a prefix of the audience": lambda: token(aud="uid-"),
    "the audience in capitals": lambda: token(aud="UID-1"),
    "our audience among others": lambda: token(aud=["uid-1", "uid-2"]),
    "an audience that is no string": lambda: token(aud={"uid-1": 1}),
    "another issuer": lambda: token(iss="evil"),
    "no issuer": lambda: token(iss=...),
    "the issuer with a slash": lambda: token(iss="agentos.hyvve.io/"),
    "another workspace": lambda: token(workspace_id="globex"),
    "no workspace": lambda: token(workspace_id=...),
    "the workspace in a list": lambda: token(workspace_id=["acme"]),
    "sub missing": lambda: token(sub=...),
    "sub empty": lambda: token(sub=""),
    "sub blank": lambda: token(sub="  "),
    "sub an integer": lambda: token(sub=7),
    "sub a list": lambda: token(sub=["alice"]),
    "sub too long": lambda: token(sub="a" * 256),
    "sub with a NUL": lambda: token(sub="alice\x00"),
    "sub with a line break": lambda: token(sub="alice\nadmin"),
    "sub of a service account": lambda: token(sub="sa:robot"),
    "sub of the scheduler": lambda: token(sub="__scheduler__"),
    "sub of an OAuth client": lambda: token(sub="__oauth__:x"),
    "sub given twice": lambda: with_claims(CLAIMS_TEXT[:-1] + ', "sub": "admin"}'),
    "any claim given twice": lambda: with_claims(CLAIMS_TEXT[:-1] + ', "scopes": []}'),
    "alg given twice": lambda: signed('{"alg":"HS256","alg":"HS256"}', CLAIMS_TEXT),
    "scopes missing": lambda: token(scopes=...),
    "scopes as text": lambda: token(scopes="agents:run"),
    "scopes of numbers": lambda: token(scopes=[1]),
    "a scope outside agno's grammar": lambda: token(scopes=["agents:run agent_os:admin"]),
    "an unknown crit": lambda: token({"crit": ["exp"], "exp": 1}),
    "b64 false": lambda: token({"b64": False, "crit": ["b64"]}),
    "a numeric kid": lambda: token({"kid": 7}),
    "an unknown kid": lambda: token({"kid": "other"}),
    "jku": lambda: token({"jku": "https://evil.example/keys"}),
    "x5u": lambda: token({"x5u": "https://evil.example/cert"}),
    "typ of something else": lambda: token({"typ": "dpop+jwt"}),
    "zip": lambda: token({"zip": "DEF"}),
    "deep JSON in the claims": lambda: with_claims("[" * 5000 + "]" * 5000),
    "deep JSON in one claim": lambda: with_claims('{"sub":' + "[" * 2500 + "]" * 2500 + "}"),
    "claims that are a list": lambda: with_claims("[]"),
    "claims that are text": lambda: with_claims('"alice"'),
    "claims that are not UTF-8": lambda: signed('{"alg":"HS256"}', b'{"sub":"\xff\xfe"}'),
    "claims that are no JSON": lambda: with_claims("{"),
    "a header that is no JSON": lambda: signed("{", CLAIMS_TEXT),
    "a header that is a list": lambda: signed("[]", CLAIMS_TEXT),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_a_bad_token_is_refused(make: Callable[[], str]) -> None:
    bad = make()
    with pytest.raises(BadToken) as refused:
        VERIFIER.verify(bad.encode(), now=NOW)
    assert refused.value.kind in KINDS
    assert bad[:20] == "" or bad[:20] not in str(refused.value)


KINDS = (
    *("algorithm", "audience", "exp", "expired", "header", "iat", "issuer", "lifetime", "malformed"),
    *("nbf", "not yet valid", "scopes", "signature", "subject", "workspace"),
)
"""All a caller learns of a refusal: a word out of a fixed list."""


@pytest.mark.parametrize(
    "make",
    [
        lambda: GOOD,
        lambda: signed('{"alg":"HS256"}', CLAIMS_TEXT),
        lambda: signed('{"alg":"HS256"}', CLAIMS_TEXT, NEXT_SECRET),
        lambda: token(aud=["uid-1"]),
        lambda: token(iat=NOW - 600, exp=NOW - 9),
        lambda: token(iat=NOW + 9, exp=NOW + 600),
        lambda: token(iat=float(NOW), exp=NOW + 600.5),
        lambda: token(extra={"deep": [1, 2]}),
        lambda: token(sub="auth0|5f7c8ec7"),
        lambda: jwt.encode(CLAIMS, SECRET, algorithm="HS256"),
    ],
    ids=[
        *("the plain one", "without typ", "the next secret of a rotation", "audience as a list of one"),
        *("expired within the leeway", "issued within the leeway", "fractions of a second"),
        *("claims of the issuer's own", "a subject of an identity provider", "made by PyJWT"),
    ],
)
def test_a_good_token_is_believed(make: Callable[[], str]) -> None:
    identity = VERIFIER.verify(make().encode(), now=NOW)
    assert (identity.workspace, identity.scopes) == ("acme", ("agents:run",))


def test_a_good_token_is_refused_when_its_secret_has_been_withdrawn() -> None:
    after = Verifier(AuthSettings(secrets=(NEXT_SECRET,), audience="uid-1"), "acme")
    with pytest.raises(BadToken):
        after.verify(GOOD.encode(), now=NOW)


def test_the_signature_is_really_ours() -> None:
    """Guards the helper above: a typo there would make every bad token trivially bad."""
    body = f"{HEAD}.{BODY}".encode()
    assert b64(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()) == SIGNATURE
