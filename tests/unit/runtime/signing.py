"""One workspace with every kind of issuer, and tokens as each of them signs.

The keys are made once per test process: nothing here is secret.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from agentos_runtime.auth.jwks import KeySet
from agentos_runtime.auth.signatures import PublishedKeys, SharedSecrets, signatures_for
from agentos_runtime.auth.tokens import Verifier
from agentos_runtime.issuers import CONTROL_PLANE, GENERATED, JWKS, PUBLIC_KEY, Issuer
from agentos_runtime.settings import AuthSettings

SECRET = "the-workspace-secret-of-the-tests-0123456789"
NEXT_SECRET = "the-next-secret-in-a-rotation-0123456789abc"
NOW = 1_800_000_000
WORKSPACE = "acme"
UID = "uid-1"
ED25519 = ed25519.Ed25519PrivateKey.generate()
P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)


def b64(raw: bytes | str) -> str:
    data = raw.encode() if isinstance(raw, str) else raw
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def hs256(body: bytes, secret: str = SECRET, digest: str = "sha256") -> bytes:
    return hmac.new(secret.encode(), body, digest).digest()


def rs256(body: bytes, key: rsa.RSAPrivateKey = RSA) -> bytes:
    return key.sign(body, padding.PKCS1v15(), hashes.SHA256())


def es256(body: bytes) -> bytes:
    r, s = decode_dss_signature(P256.sign(body, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def jwk(reader: Any, public: Any, **more: Any) -> dict[str, Any]:
    """A public key as a member of a set."""
    return {**json.loads(reader.to_jwk(public)), **more}


def pem(key: Any) -> str:
    """The public half in PEM."""
    text: str = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return text


KEY_SET = {
    "keys": [
        jwk(OKPAlgorithm, ED25519.public_key(), kid="ed", alg="EdDSA"),
        jwk(ECAlgorithm, P256.public_key(), kid="ec"),
        jwk(RSAAlgorithm, RSA.public_key(), kid="rsa", use="sig", alg="RS256"),
    ]
}


@dataclass(frozen=True)
class Signer:
    """How one issuer writes tokens."""

    name: str
    issuer: Issuer
    signature: Callable[[bytes], bytes] = field(repr=False)
    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def is_shared(self) -> bool:
        return self.issuer.type == GENERATED

    @property
    def is_control_plane(self) -> bool:
        return self.issuer.type == CONTROL_PLANE

    def signed(self, header: str | bytes, claims: str | bytes) -> str:
        """A token of raw parts with a signature that is right for them."""
        body = f"{b64(header)}.{b64(claims)}"
        return f"{body}.{b64(self.signature(body.encode()))}"

    def token(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A good token, or one whose header or claims differ; what is `...` is left out."""
        fields = {k: v for k, v in (self.header | (header or {})).items() if v is not ...}
        claims = {k: v for k, v in (self.claims | changes).items() if v is not ...}
        return self.signed(json.dumps(fields), json.dumps(claims))

    def with_claims(self, text: str) -> str:
        """A token whose claims are this text."""
        return self.signed(json.dumps(self.header), text)


def _issuer(name: str, kind: str, algorithm: str, **changes: Any) -> Issuer:
    values: dict[str, Any] = {
        "issuer": f"https://{name}.example",
        "audience": UID,
        "workspace": ("workspace_id", WORKSPACE),
        "algorithms": frozenset({algorithm}),
    }
    return Issuer(name=name, type=kind, **values | changes)


def _signer(name: str, issuer: Issuer, signature: Callable[[bytes], bytes], **header: Any) -> Signer:
    claims = {"aud": issuer.audience, "sub": "alice", "iat": NOW, "exp": NOW + 600, "scopes": ["agents:run"]}
    if issuer.issuer:
        claims["iss"] = issuer.issuer
    if issuer.workspace:
        claims[issuer.workspace[0]] = issuer.workspace[1]
    return Signer(name, issuer, signature, {"alg": next(iter(issuer.algorithms)), "typ": "JWT", **header}, claims)


_SET = {"jwks_uri": "https://keys.example/jwks"}
GENERATED_SECRET = _signer(
    "the generated secret", _issuer("generated", GENERATED, "HS256", issuer="agentos.hyvve.io"), hs256
)
SIGNERS = (
    GENERATED_SECRET,
    _signer("a key set with EdDSA", _issuer("app", JWKS, "EdDSA", **_SET), ED25519.sign, kid="ed"),
    _signer("a key set with ES256", _issuer("api", JWKS, "ES256", **_SET), es256, kid="ec"),
    _signer("a key set with RS256", _issuer("idp", JWKS, "RS256", **_SET), rs256, kid="rsa"),
    _signer("a public key", _issuer("partner", PUBLIC_KEY, "RS256", public_key=pem(RSA)), rs256),
    _signer(
        "a Control Plane",
        _issuer(
            "control-plane",
            CONTROL_PLANE,
            "RS256",
            issuer=None,
            audience="support--acme",
            workspace=None,
            public_key=pem(RSA),
        ),
        rs256,
    ),
)
ISSUERS = tuple(signer.issuer for signer in SIGNERS)
SETTINGS = AuthSettings(secrets=(SECRET, NEXT_SECRET), audience=UID, issuers=ISSUERS)


async def published() -> bytes:
    """The set as its endpoint would answer."""
    return json.dumps(KEY_SET).encode()


def verifier(*secrets: str, settings: AuthSettings = SETTINGS) -> Verifier:
    """Every issuer beside the others, as in a workspace that has them all."""
    signatures = {
        each.name: PublishedKeys(KeySet(each.name, each.algorithms, published))
        if each.type == JWKS
        else SharedSecrets(secrets or settings.secrets)
        if each.type == GENERATED
        else signatures_for(each, (), laptop=False)
        for each in settings.issuers
    }
    return Verifier(settings, WORKSPACE, signatures)
