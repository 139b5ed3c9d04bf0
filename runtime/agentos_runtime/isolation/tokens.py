"""Tokens that the workspace's own runtimes must refuse, made from nothing but the workspace's own secret.

No key and no token of another workspace is ever here: what another one would send is made by changing a claim or the
key. Signed with the standard library: it is a few lines (RFC 7515, A.1) and spares the start-up a package.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentos_runtime.isolation.outcome import Attempt, Control, Outcome

FAMILY = "token"
TIMEOUT = 5.0
_PATH = "/agents"
_SCOPE = "agents:read"


@dataclass(frozen=True)
class Issuer:
    """What a good token of this workspace has."""

    secret: str = field(repr=False)
    issuer: str
    audience: str
    workspace: str

    def claims(self, now: int) -> dict[str, Any]:
        """Claims that every runtime accepts: no workspace allows its tokens less than a minute."""
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "isolation-probe",
            "workspace_id": self.workspace,
            "scopes": [_SCOPE],
            "iat": now,
            "exp": now + 50,
        }

    def good(self, now: int) -> str:
        """A token that is to be accepted."""
        return sign(self.claims(now), self.secret)


def bad_tokens(issuer: Issuer, now: int) -> Iterator[tuple[str, str | None]]:
    """What it is, and the token; None for none at all."""
    good = issuer.claims(now)
    header, body, signature = issuer.good(now).split(".")

    def changed(**claims: Any) -> str:
        return sign({**good, **claims}, issuer.secret)

    def without(claim: str) -> str:
        return sign({name: value for name, value in good.items() if name != claim}, issuer.secret)

    yield "no token", None
    yield "a token signed with another key", sign(good, secrets.token_urlsafe(32))
    yield "a token signed with an empty key", sign(good, "")
    yield "an unsigned token", sign(good, "", "none").rpartition(".")[0] + "."
    yield "a token that says it is unsigned", f"{_encode({'alg': 'nOnE', 'typ': 'JWT'})}.{body}.{signature}"
    yield "a token with the signature cut off", f"{header}.{body}."
    yield "a token with other claims under its signature", f"{header}.{_encode({**good, 'sub': 'x'})}.{signature}"
    yield "a token of another algorithm", sign(good, issuer.secret, "HS512")
    yield "a token for another workspace's audience", changed(aud=secrets.token_hex(16))
    yield "a token that names another workspace", changed(workspace_id=f"{issuer.workspace}-2")
    yield "a token of another issuer", changed(iss=f"{issuer.issuer}/")
    yield "an expired token", changed(iat=now - 600, exp=now - 300)
    yield "a token from the future", changed(iat=now + 600, exp=now + 900)
    yield "a token for ever", changed(exp=now + 10 * 365 * 86400)
    yield "a token without an audience", without("aud")
    yield "a token without an expiry", without("exp")


def sign(claims: Mapping[str, Any], secret: str, algorithm: str = "HS256") -> str:
    """A compact JWS (RFC 7515, 3.1)."""
    text = f"{_encode({'alg': algorithm, 'typ': 'JWT'})}.{_encode(claims)}"
    digest = hashlib.sha512 if algorithm == "HS512" else hashlib.sha256
    mac = hmac.new(secret.encode(), text.encode(), digest).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _encode(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def try_tokens(address: str, port: int, issuer: Issuer) -> tuple[list[Attempt], Control]:
    """Show every bad token to one runtime, and a good one."""
    now = int(time.time())
    attempts = [_try(address, port, name, token) for name, token in bad_tokens(issuer, now)]
    status = _ask(address, port, issuer.good(now))
    accepted = status == http.client.OK
    detail = "" if accepted else f"its answer was {status or 'none'}"
    return attempts, Control("a runtime accepts a good token of its own", accepted, detail)


def _try(address: str, port: int, name: str, token: str | None) -> Attempt:
    status = _ask(address, port, token)
    if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        outcome = Outcome.HELD
    else:
        outcome = Outcome.BREACHED if 200 <= status < 300 else Outcome.UNCLEAR
    return Attempt(FAMILY, f"get in with {name}", outcome, f"answer {status}" if status else "no answer")


def _ask(address: str, port: int, token: str | None) -> int:
    """The status of the answer, 0 for none."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT)
    try:
        connection.request("GET", _PATH, headers={"Authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
