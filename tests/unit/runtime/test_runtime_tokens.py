"""Every token that must not open a workspace, by name and for every kind of issuer.

Each of them would be a way in if it were accepted. All are shown to one workspace that has every kind of issuer at
once, so that none is refused only because nobody there could have signed it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import jwt
import pytest

from agentos_runtime.auth.internal import InternalTokens
from agentos_runtime.auth.middleware import Authentication, Gate
from agentos_runtime.auth.reading import BadToken
from tests.unit.runtime.signing import (
    ED25519,
    GENERATED_SECRET,
    NEXT_SECRET,
    NOW,
    OTHER_RSA,
    RSA,
    SECRET,
    SETTINGS,
    SIGNERS,
    Signer,
    b64,
    hs256,
    jwk,
    pem,
    rs256,
    verifier,
)

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

    from agentos_runtime.auth.tokens import Identity, Verifier

Make = Callable[[Signer], str]


def parts(signer: Signer) -> list[str]:
    return signer.token().split(".")


def claims_text(signer: Signer) -> str:
    return json.dumps(signer.claims)


def header_text(signer: Signer, **changes: Any) -> str:
    return json.dumps(signer.header | changes)


def without_signature(signer: Signer, alg: str, signature: str = "") -> str:
    header = {"alg": alg} if alg else {"typ": "JWT"}
    return f"{b64(json.dumps(header))}.{parts(signer)[1]}.{signature}"


def signed_by(signer: Signer, signature: Callable[[bytes], bytes], **header: Any) -> str:
    """The issuer's claims under somebody's signature."""
    body = f"{b64(header_text(signer, **header))}.{parts(signer)[1]}"
    return f"{body}.{b64(signature(body.encode()))}"


def flipped_bit(signer: Signer) -> str:
    head, body, signature = parts(signer)
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[5] ^= 1
    return f"{head}.{body}.{b64(bytes(raw))}"


def second_spelling(signer: Signer) -> str:
    """The last character of a signature carries bits that mean nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = signer.token()
    return good[:-1] + alphabet[alphabet.index(good[-1]) ^ 1]


def swapped(signer: Signer) -> str:
    head, _, signature = parts(signer)
    return f"{head}.{signer.token(sub='admin').split('.')[1]}.{signature}"


JWK = jwk(jwt.algorithms.OKPAlgorithm, ED25519.public_key())

BAD: dict[str, Make] = {
    "alg none": lambda s: without_signature(s, "none"),
    "alg nOnE": lambda s: without_signature(s, "nOnE"),
    "alg none with the signature kept": lambda s: without_signature(s, "none", parts(s)[2]),
    "alg missing": lambda s: s.token({"alg": ...}),
    "alg not a string": lambda s: s.token({"alg": [s.header["alg"]]}),
    "HS512 with our secret": lambda s: signed_by(s, lambda body: hs256(body, digest="sha512"), alg="HS512"),
    "HS384 in the header over the issuer's own signature": lambda s: s.token({"alg": "HS384"}),
    "an algorithm of the same key that is not pinned": lambda s: s.token({"alg": "RS512"}),
    "their own RS256": lambda s: signed_by(s, lambda body: rs256(body, OTHER_RSA), alg="RS256"),
    "their own EdDSA": lambda s: signed_by(s, lambda body: bytes(range(64)), alg="EdDSA"),
    "their own EdDSA with its key in the header": lambda s: signed_by(s, lambda _: bytes(64), alg="EdDSA", jwk=JWK),
    "the issuer's signature and a key in the header": lambda s: s.token({"jwk": JWK}),
    "a public key used as a shared secret": lambda s: signed_by(s, lambda body: hs256(body, pem(RSA)), alg="HS256"),
    "another workspace's secret": lambda s: signed_by(s, lambda body: hs256(body, "x" * 40), alg="HS256"),
    "a short secret": lambda s: signed_by(s, lambda body: hs256(body, "short"), alg="HS256"),
    "an empty secret": lambda s: signed_by(s, lambda body: hs256(body, ""), alg="HS256"),
    "one bit of the signature flipped": flipped_bit,
    "a second spelling of the signature": second_spelling,
    "the signature cut short": lambda s: s.token()[:-6],
    "no signature": lambda s: f"{'.'.join(parts(s)[:2])}.",
    "two segments": lambda s: ".".join(parts(s)[:2]),
    "four segments": lambda s: f"{s.token()}.{parts(s)[2]}",
    "five segments, as a JWE has": lambda s: ".".join([parts(s)[0], "", parts(s)[1], parts(s)[1], parts(s)[2]]),
    "the claims swapped for others": swapped,
    "padding kept": lambda s: "=.".join([parts(s)[0], ".".join(parts(s)[1:])]),
    "a space inside": lambda s: s.token().replace(".", ". ", 1),
    "nothing": lambda s: "",
    "text": lambda s: "not-a-token",
    "one megabyte": lambda s: s.token(sub="a" * 1_000_000),
    "expired": lambda s: s.token(iat=NOW - 700, exp=NOW - 100),
    "expired just beyond the leeway": lambda s: s.token(iat=NOW - 700, exp=NOW - 10),
    "not before a minute from now": lambda s: s.token(nbf=NOW + 60),
    "issued in the future": lambda s: s.token(iat=NOW + 60),
    "exp null": lambda s: s.token(exp=None),
    "exp NaN": lambda s: s.token(exp=float("nan")),
    "exp Infinity": lambda s: s.token(exp=float("inf")),
    "exp -1": lambda s: s.token(exp=-1),
    "exp as a string": lambda s: s.token(exp=str(NOW + 600)),
    "exp true": lambda s: s.token(exp=True),
    "exp 1e30": lambda s: s.token(exp=1e30),
    "exp missing": lambda s: s.token(exp=...),
    "exp a week away": lambda s: s.token(exp=NOW + 7 * 86400),
    "exp before iat": lambda s: s.token(iat=NOW, exp=NOW - 5),
    "iat missing": lambda s: s.token(iat=...),
    "iat as a string": lambda s: s.token(iat=str(NOW)),
    "nbf as a string": lambda s: s.token(nbf=str(NOW)),
    "another workspace's audience": lambda s: s.token(aud="uid-2"),
    "no audience": lambda s: s.token(aud=...),
    "a prefix of the audience": lambda s: s.token(aud=s.claims["aud"][:-1]),
    "the audience in capitals": lambda s: s.token(aud=s.claims["aud"].upper()),
    "our audience among others": lambda s: s.token(aud=[s.claims["aud"], "uid-2"]),
    "an audience that is no string": lambda s: s.token(aud={s.claims["aud"]: 1}),
    "an issuer that is no string": lambda s: s.token(iss=["https://app.example"]),
    "sub missing": lambda s: s.token(sub=...),
    "sub empty": lambda s: s.token(sub=""),
    "sub blank": lambda s: s.token(sub="  "),
    "sub an integer": lambda s: s.token(sub=7),
    "sub a list": lambda s: s.token(sub=["alice"]),
    "sub too long": lambda s: s.token(sub="a" * 256),
    "sub with a NUL": lambda s: s.token(sub="alice\x00"),
    "sub with a line break": lambda s: s.token(sub="alice\nadmin"),
    "sub of a service account": lambda s: s.token(sub="sa:robot"),
    "sub of the scheduler": lambda s: s.token(sub="__scheduler__"),
    "sub of an OAuth client": lambda s: s.token(sub="__oauth__:x"),
    "sub given twice": lambda s: s.with_claims(claims_text(s)[:-1] + ', "sub": "admin"}'),
    "any claim given twice": lambda s: s.with_claims(claims_text(s)[:-1] + ', "scopes": []}'),
    "alg given twice": lambda s: s.signed(header_text(s)[:-1] + f', "alg": "{s.header["alg"]}"}}', claims_text(s)),
    "scopes missing": lambda s: s.token(scopes=...),
    "scopes as text": lambda s: s.token(scopes="agents:run"),
    "scopes of numbers": lambda s: s.token(scopes=[1]),
    "a scope outside agno's grammar": lambda s: s.token(scopes=["agents:run agent_os:admin"]),
    "an unknown crit": lambda s: s.token({"crit": ["exp"], "exp": 1}),
    "b64 false": lambda s: s.token({"b64": False, "crit": ["b64"]}),
    "a numeric kid": lambda s: s.token({"kid": 7}),
    "an empty kid": lambda s: s.token({"kid": ""}),
    "a kid of a thousand characters": lambda s: s.token({"kid": "k" * 1000}),
    "jku": lambda s: s.token({"jku": "https://evil.example/keys"}),
    "x5u": lambda s: s.token({"x5u": "https://evil.example/cert"}),
    "x5c": lambda s: s.token({"x5c": ["MIIB"]}),
    "typ of something else": lambda s: s.token({"typ": "dpop+jwt"}),
    "zip": lambda s: s.token({"zip": "DEF"}),
    "deep JSON in the claims": lambda s: s.with_claims("[" * 5000 + "]" * 5000),
    "deep JSON in one claim": lambda s: s.with_claims('{"sub":' + "[" * 2500 + "]" * 2500 + "}"),
    "claims that are a list": lambda s: s.with_claims("[]"),
    "claims that are text": lambda s: s.with_claims('"alice"'),
    "claims that are not UTF-8": lambda s: s.signed(header_text(s), b'{"sub":"\xff\xfe"}'),
    "claims that are no JSON": lambda s: s.with_claims("{"),
    "a header that is no JSON": lambda s: s.signed("{", claims_text(s)),
    "a header that is a list": lambda s: s.signed("[]", claims_text(s)),
    **{
        f"the claims of this issuer under the signature of {other.name}": (
            lambda s, other=other: signed_by(s, other.signature, **other.header)  # type: ignore[misc]
        )
        for other in SIGNERS
        if other.header["alg"] != "RS256"
    },
}
"""Refused whoever the issuer is; the last ones where it is another."""
BAD_WITH_A_NAME: dict[str, Make] = {
    "another issuer": lambda s: s.token(iss="evil"),
    "no issuer": lambda s: s.token(iss=...),
    "the issuer with a slash": lambda s: s.token(iss=s.claims["iss"] + "/"),
    "another workspace": lambda s: s.token(workspace_id="globex"),
    "no workspace": lambda s: s.token(workspace_id=...),
    "the workspace in a list": lambda s: s.token(workspace_id=["acme"]),
}
"""A Control Plane's tokens need neither name: its key and its audience bind them."""
BAD_OF_A_SECRET: dict[str, Make] = {
    "any kid": lambda s: s.token({"kid": "other"}),
    "a header of no meaning": lambda s: s.token({"x": "y"}),
}
BAD_OF_A_SET: dict[str, Make] = {
    "an unknown kid": lambda s: s.token({"kid": "other"}),
    "no kid": lambda s: s.token({"kid": ...}),
    "the kid of another algorithm's key": lambda s: s.token({"kid": "ec" if s.header["kid"] == "rsa" else "rsa"}),
    "the kid in capitals": lambda s: s.token({"kid": s.header["kid"].upper()}),
}


def cases() -> Iterator[ParameterSet]:
    for signer in SIGNERS:
        lists = [BAD] if signer.is_control_plane else [BAD, BAD_WITH_A_NAME]
        lists += [BAD_OF_A_SECRET] if signer.is_shared else []
        lists += [BAD_OF_A_SET] if signer.issuer.type == "JWKS" else []
        for name, make in (item for each in lists for item in each.items()):
            if not name.endswith(signer.name):
                yield pytest.param(signer, make, id=f"{signer.name}-{name}")


KINDS = (
    *("algorithm", "audience", "exp", "expired", "header", "iat", "issuer", "key", "lifetime", "malformed"),
    *("nbf", "not yet valid", "scopes", "signature", "subject", "workspace"),
)
"""All a caller learns of a refusal: a word out of a fixed list."""


@pytest.mark.parametrize(("signer", "make"), list(cases()))
async def test_a_bad_token_is_refused(signer: Signer, make: Make) -> None:
    bad = make(signer)
    with pytest.raises(BadToken) as refused:
        await verifier().verify(bad.encode(), now=NOW)
    assert refused.value.kind in KINDS
    assert bad[:20] == "" or bad[:20] not in str(refused.value)
    assert await challenge_of(bad) == f'Bearer error="invalid_token", error_description="{refused.value.kind}"'


class AtThatTime:
    """The verifier of the tests' tokens, as the gate asks it."""

    async def verify(self, token: bytes) -> Identity:
        return await verifier().verify(token, now=NOW)


async def challenge_of(token: str) -> str:
    """What the gate answers to a token, which is 401 with a problem: the challenge."""
    sent: list[Any] = []

    async def answer(message: Any) -> None:
        sent.append(message)

    async def never(*_: Any) -> Any:
        raise AssertionError("a bad token came through, or its body was read")

    gate = Gate(cast("Verifier", AtThatTime()), InternalTokens(), lambda *_: ["agents:read"], "support")
    headers = [(b"authorization", b"Bearer " + token.encode())]
    scope = {"type": "http", "method": "GET", "path": "/agents", "query_string": b"", "headers": headers}
    await Authentication(never, gate)(scope, never, answer)
    assert sent[0]["status"] == 401
    answered = dict(sent[0]["headers"])
    assert answered[b"content-type"] == b"application/problem+json"
    assert token[:20] == "" or token[:20].encode() not in sent[1]["body"]
    return str(answered[b"www-authenticate"].decode())


GOOD: dict[str, Make] = {
    "the plain one": lambda s: s.token(),
    "without typ": lambda s: s.token({"typ": ...}),
    "audience as a list of one": lambda s: s.token(aud=[s.claims["aud"]]),
    "expired within the leeway": lambda s: s.token(iat=NOW - 600, exp=NOW - 9),
    "issued within the leeway": lambda s: s.token(iat=NOW + 9, exp=NOW + 600),
    "fractions of a second": lambda s: s.token(iat=float(NOW), exp=NOW + 600.5),
    "claims of the issuer's own": lambda s: s.token(extra={"deep": [1, 2]}),
    "a subject of an identity provider": lambda s: s.token(sub="auth0|5f7c8ec7"),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD.keys())
@pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.name)
async def test_a_good_token_is_believed(signer: Signer, make: Make) -> None:
    identity = await verifier().verify(make(signer).encode(), now=NOW)
    assert (identity.workspace, identity.scopes, identity.issuer) == ("acme", ("agents:run",), signer.issuer.name)


@pytest.mark.parametrize(
    "make",
    [
        lambda: signed_by(GENERATED_SECRET, lambda body: hs256(body, NEXT_SECRET)),
        lambda: jwt.encode(GENERATED_SECRET.claims, SECRET, algorithm="HS256"),
    ],
    ids=["the next secret of a rotation", "made by PyJWT"],
)
async def test_a_token_of_the_workspaces_own_secrets_is_believed(make: Callable[[], str]) -> None:
    assert (await verifier().verify(make().encode(), now=NOW)).user == "alice"


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.name)
async def test_a_workspace_takes_no_token_of_an_issuer_that_it_does_not_list(signer: Signer) -> None:
    others = tuple(each.issuer for each in SIGNERS if each is not signer and not each.is_control_plane)
    with pytest.raises(BadToken, match="issuer"):
        await verifier(settings=replace(SETTINGS, issuers=others)).verify(signer.token().encode(), now=NOW)


async def test_a_key_that_fits_several_pinned_algorithms_verifies_each() -> None:
    issuer = replace(SIGNERS[-2].issuer, algorithms=frozenset({"RS256", "PS256"}))
    both = verifier(settings=replace(SETTINGS, issuers=(issuer,)))
    for algorithm in ("RS256", "PS256"):
        token = jwt.encode(SIGNERS[-2].claims, RSA, algorithm=algorithm)
        assert (await both.verify(token.encode(), now=NOW)).issuer == "partner"
        with pytest.raises(BadToken, match="signature"):
            await both.verify(jwt.encode(SIGNERS[-2].claims, OTHER_RSA, algorithm=algorithm).encode(), now=NOW)


@pytest.mark.parametrize("signer", [each for each in SIGNERS if not each.is_control_plane], ids=lambda each: each.name)
async def test_scopes_of_the_issuer_are_for_tokens_that_have_none(signer: Signer) -> None:
    issuer = replace(signer.issuer, default_scopes=("agents:run", "sessions:read"))
    checked = verifier(settings=replace(SETTINGS, issuers=(issuer,)))
    without = await checked.verify(signer.token(scopes=...).encode(), now=NOW)
    assert without.scopes == ("agents:run", "sessions:read")
    assert (await checked.verify(signer.token(scopes=[]).encode(), now=NOW)).scopes == ()
    with pytest.raises(BadToken, match="scopes"):
        await checked.verify(signer.token(scopes=None).encode(), now=NOW)


async def test_an_issuer_may_name_the_workspace_in_its_own_way() -> None:
    signer = SIGNERS[1]
    issuer = replace(signer.issuer, workspace=("https://hyvve.io/org", "org_7"))
    checked = verifier(settings=replace(SETTINGS, issuers=(issuer,)))
    named: dict[str, Any] = {"https://hyvve.io/org": "org_7"}
    token = signer.token(workspace_id=..., **named)
    assert (await checked.verify(token.encode(), now=NOW)).workspace == "acme"
    other: list[dict[str, Any]] = [{"https://hyvve.io/org": "org_8"}, {"https://hyvve.io/org": ["org_7"]}, {}]
    for wrong in other:
        with pytest.raises(BadToken, match="workspace"):
            await checked.verify(signer.token(**wrong).encode(), now=NOW)


async def test_a_good_token_is_refused_when_its_secret_has_been_withdrawn() -> None:
    with pytest.raises(BadToken):
        await verifier(NEXT_SECRET).verify(GENERATED_SECRET.token().encode(), now=NOW)


@pytest.mark.parametrize("iss", ["https://os.agno.com", None], ids=["with a name of its own", "without"])
async def test_what_no_issuer_claims_is_left_to_the_control_planes_key(iss: str | None) -> None:
    token = SIGNERS[-1].token(iss=iss or ...)
    assert (await verifier().verify(token.encode(), now=NOW)).issuer == "control-plane"


async def test_the_control_planes_key_signs_for_no_other_issuer() -> None:
    """Both have an RSA key here, and the same one: the workspace's claims are still asked for."""
    token = SIGNERS[-1].token(iss="https://partner.example")
    with pytest.raises(BadToken, match="audience"):
        await verifier().verify(token.encode(), now=NOW)
