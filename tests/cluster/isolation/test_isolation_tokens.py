"""Bad tokens across two tenants, through the gateway: every one is 401, whoever made it and whatever it looks like."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest

from tests.cluster.tenancy import Tenancy, ask

Claims = dict[str, Any]
PUBLIC_KEY = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
"""The Ed25519 key of RFC 8410, 10.1."""


@dataclass(frozen=True)
class Victim:
    """Workspace acme as an attacker who knows all of it, and all of its own workspace globex."""

    secret: str
    """Acme's own: the hardest case, in which everything is right but one thing."""
    uid: str
    other_secret: str
    other_uid: str

    @property
    def claims(self) -> Claims:
        """What acme's runtimes accept."""
        now = int(time.time())
        return {
            "iss": "agentos.hyvve.io",
            "aud": self.uid,
            "sub": "alice",
            "workspace_id": "acme",
            "scopes": ["agents:run"],
            "iat": now,
            "exp": now + 300,
        }

    def signed(self, key: Any = None, algorithm: str = "HS256", headers: Claims | None = None, **changes: Any) -> str:
        """A token with one thing changed; a claim that is None is left out."""
        claims = {name: value for name, value in {**self.claims, **changes}.items() if value is not None}
        return jwt.encode(claims, self.secret if key is None else key, algorithm, headers)

    def raw(self, head: bytes, claims: bytes, digest: Any = hashlib.sha256) -> str:
        """A token of any bytes under acme's good signature."""
        text = b".".join((segment(head), segment(claims)))
        mac = hmac.new(self.secret.encode(), text, digest).digest()
        return b".".join((text, segment(mac))).decode()


def segment(data: bytes) -> bytes:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def dumps(**values: Any) -> bytes:
    return json.dumps(values).encode()


def header(**changes: Any) -> bytes:
    return dumps(**{"alg": "HS256", "typ": "JWT", **changes})


@pytest.fixture(scope="module")
def victim(globex: Tenancy) -> Victim:
    return Victim(
        globex.secret_value("agentos-jwt", "ws-acme", "secret"),
        globex.get("workspace", "acme")["metadata"]["uid"],
        globex.secret_value("agentos-jwt", "ws-globex", "secret"),
        globex.get("workspace", "globex")["metadata"]["uid"],
    )


def parts(victim: Victim) -> list[str]:
    return victim.signed().split(".")


def flipped(victim: Victim) -> str:
    head, body, signature = parts(victim)
    return f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def swapped(victim: Victim) -> str:
    head, _, signature = parts(victim)
    return f"{head}.{victim.signed(sub='root').split('.')[1]}.{signature}"


def now() -> int:
    return int(time.time())


BAD: dict[str, Callable[[Victim], str]] = {
    "not a token": lambda _: "abc",
    "unsigned": lambda v: v.signed("", "none"),
    "nOnE": lambda v: v.raw(header(alg="nOnE"), dumps(**v.claims)),
    "none with a good signature kept": lambda v: v.raw(header(alg="none"), dumps(**v.claims)),
    "no algorithm": lambda v: v.raw(b'{"typ":"JWT"}', dumps(**v.claims)),
    "HS512": lambda v: v.raw(header(alg="HS512"), dumps(**v.claims), hashlib.sha512),
    "HS384 named over an HS256 signature": lambda v: v.raw(header(alg="HS384"), dumps(**v.claims)),
    "RS256 of the attacker's own key": lambda v: keyed(v, "RS256", 256),
    "EdDSA of the attacker's own key": lambda v: keyed(v, "EdDSA", 64),
    "the neighbour's secret": lambda v: v.signed(v.other_secret),
    "the neighbour's secret and audience": lambda v: v.signed(v.other_secret, aud=v.other_uid),
    "an empty key": lambda v: hmac_of(v, b""),
    "a public key taken for a secret": lambda v: hmac_of(v, PUBLIC_KEY),
    "a flipped bit": flipped,
    "a cut signature": lambda v: v.signed()[:-6],
    "no signature": lambda v: v.signed().rpartition(".")[0] + ".",
    "two segments": lambda v: v.signed().rpartition(".")[0],
    "four segments": lambda v: v.signed() + ".e30",
    "other claims under the signature": swapped,
    "expired": lambda v: v.signed(iat=now() - 600, exp=now() - 300),
    "expired just past the leeway": lambda v: v.signed(iat=now() - 600, exp=now() - 15),
    "not yet valid": lambda v: v.signed(nbf=now() + 120),
    "issued in the future": lambda v: v.signed(iat=now() + 120, exp=now() + 300),
    "an expiry of -1": lambda v: v.signed(exp=-1),
    "an expiry of null": lambda v: v.raw(header(), dumps(**{**v.claims, "exp": None})),
    "an expiry of NaN": lambda v: v.raw(header(), dumps(**{**v.claims, "exp": float("nan")})),
    "an expiry of 1e30": lambda v: v.raw(header(), dumps(**{**v.claims, "exp": 1e30})),
    "an expiry in text": lambda v: v.raw(header(), dumps(**{**v.claims, "exp": str(now() + 300)})),
    "no expiry": lambda v: v.signed(exp=None),
    "the neighbour's audience": lambda v: v.signed(aud=v.other_uid),
    "no audience": lambda v: v.signed(aud=None),
    "a part of the audience": lambda v: v.signed(aud=v.uid[:8]),
    "the audience in capitals": lambda v: v.signed(aud=v.uid.upper()),
    "both audiences": lambda v: v.signed(aud=[v.uid, v.other_uid]),
    "another issuer": lambda v: v.signed(iss="https://issuer.example.com"),
    "no issuer": lambda v: v.signed(iss=None),
    "the issuer with a slash": lambda v: v.signed(iss="agentos.hyvve.io/"),
    "the neighbour's name": lambda v: v.signed(workspace_id="globex"),
    "no name": lambda v: v.signed(workspace_id=None),
    "a number for a subject": lambda v: v.raw(header(), dumps(**{**v.claims, "sub": 7})),
    "a list for a subject": lambda v: v.raw(header(), dumps(**{**v.claims, "sub": ["alice"]})),
    "no subject": lambda v: v.signed(sub=None),
    "an empty subject": lambda v: v.signed(sub=""),
    "a subject twice": lambda v: v.raw(header(), dumps(**v.claims)[:-1] + b',"sub":"root"}'),
    "a service account's subject": lambda v: v.signed(sub="sa:robot"),
    "the scheduler's subject": lambda v: v.signed(sub="__scheduler__"),
    "an unknown critical header": lambda v: v.signed(headers={"crit": ["x"], "x": 1}),
    "an unencoded payload": lambda v: v.raw(header(b64=False, crit=["b64"]), dumps(**v.claims)),
    "a numeric key id": lambda v: v.raw(header(kid=7), dumps(**v.claims)),
    "an unknown key id": lambda v: v.signed(headers={"kid": "../../etc/passwd"}),
    "a key of its own inside": lambda v: keyed(v, "RS256", 256, jwk={"kty": "RSA", "n": "AQ", "e": "AQAB"}),
    "a key's address inside": lambda v: v.signed(headers={"jku": "http://169.254.169.254/keys"}),
    "encrypted": lambda _: ".".join(["eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0", "", "AA", "AA", "AA"]),
    "deep JSON": lambda v: v.raw(header(), b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}"),
    "no UTF-8": lambda v: v.raw(header(), b'{"sub":"\xff\xfe"}'),
    "no object": lambda v: v.raw(header(), b'"claims"'),
}


def keyed(victim: Victim, algorithm: str, length: int, **headers: Any) -> str:
    """What an attacker's own key would sign; whether that key is good nobody must get as far as to ask."""
    text = b".".join((segment(header(alg=algorithm, **headers)), segment(dumps(**victim.claims))))
    return b".".join((text, segment(secrets.token_bytes(length)))).decode()


def hmac_of(victim: Victim, key: bytes) -> str:
    """A good token under the HMAC of any key; PyJWT would not sign with these."""
    text = b".".join((segment(header()), segment(dumps(**victim.claims))))
    return b".".join((text, segment(hmac.new(key, text, hashlib.sha256).digest()))).decode()


@pytest.mark.parametrize("case", BAD)
def test_this_token_is_401_at_a_neighbour(globex: Tenancy, victim: Victim, case: str) -> None:
    with globex.client("support", "acme", BAD[case](victim)) as client:
        refused(ask(client, "hello"))


def refused(answer: httpx.Response) -> None:
    """As RFC 6750 has it, and without a word about why the runtime would know."""
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_good_token_that_all_others_are_made_from_is_accepted(globex: Tenancy, victim: Victim) -> None:
    with globex.client("support", "acme", victim.signed()) as client:
        assert ask(client, "hello").status_code == 200


def test_each_tenants_good_token_is_401_at_the_other(globex: Tenancy) -> None:
    for mine, theirs in (("globex", "acme"), ("acme", "globex")):
        with globex.client("support", theirs, globex.token(mine)) as client:
            refused(ask(client, "hello"))


def headers_of(victim: Victim) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    good = victim.signed()
    yield "no header", []
    yield "no scheme", [("Authorization", good)]
    yield "another scheme", [("Authorization", f"Basic {good}")]
    yield "two headers", [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")]
    yield "a header that is no token's", [("X-Token", good), ("Cookie", f"token={good}")]


def test_a_good_token_in_a_wrong_place_is_no_token(globex: Tenancy, victim: Victim) -> None:
    with globex.client("support", "acme") as client:
        for case, headers in headers_of(victim):
            found = client.get("/agents", headers=httpx.Headers([*client.headers.multi_items(), *headers]))
            assert found.status_code == 401, case
        for name in ("token", "access_token"):
            assert client.get("/agents", params={name: victim.signed()}).status_code == 401


def test_a_token_of_a_megabyte_is_refused_and_the_runtime_answers_on(globex: Tenancy, victim: Victim) -> None:
    huge = victim.signed(sub="a" * 1_000_000)
    # The gateway may hang up before it has read all of it.
    with contextlib.suppress(httpx.HTTPError), globex.client("support", "acme", huge) as client:
        assert client.get("/agents").status_code in (400, 401, 413, 431)
    with globex.client("support", "acme", victim.signed()) as client:
        assert ask(client, "hello").status_code == 200
