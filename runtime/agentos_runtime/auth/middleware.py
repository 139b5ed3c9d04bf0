"""The gate in front of agno: strict tokens, no route that no scope opens, identity that a caller cannot set.

agno's own authorization stays on behind it (docs/decisions/0002) and decides scopes and ownership, with a token of this
process in place of the caller's (docs/decisions/0017).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from agentos_runtime.asgi import App, Receive, Scope, Send, header_values, state_of
from agentos_runtime.auth.internal import InternalTokens
from agentos_runtime.auth.jwks import KeysUnavailable
from agentos_runtime.auth.reading import BadToken
from agentos_runtime.auth.tokens import Identity, Verifier
from agentos_runtime.http.problems import INSUFFICIENT_SCOPE, send_problem

PUBLIC = frozenset({"/health", "/livez", "/readyz"})
"""Answered without a token, and nothing else is but what a Control Plane needs."""
CONTROL_PLANE = frozenset({"/info"})
"""What a Control Plane asks before it has a token: name, versions and how many agents there are."""
RETRY_SECONDS = 10
"""After which a caller may ask again when an issuer's keys cannot be read."""

RequiredScopes = Callable[[str, str], Sequence[str]]
"""The scopes that open a route, by method and path; none means that no scope does."""


@dataclass(frozen=True)
class Gate:
    """What the gate of one process goes by."""

    verifier: Verifier
    internal: InternalTokens
    required: RequiredScopes
    deployment: str
    public: AbstractSet[str] = PUBLIC
    """Paths that need no token."""


class Authentication:
    """Refuses, or lets through with the identity in the request's state."""

    def __init__(self, app: App, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "not offered"})
        elif scope["type"] != "http" or scope["path"] in self._gate.public:
            await self._app(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            identity = await self._gate.verifier.verify(_bearer(scope))
        except BadToken as bad:
            await _unauthorized(scope, send, bad.kind)
            return
        except KeysUnavailable:
            await _unavailable(scope, send)
            return
        refusal = self._refusal(scope, identity)
        if refusal:
            await _forbidden(scope, send, refusal)
            return
        state_of(scope).update(state_for(identity, self._gate.deployment))
        _replace_authorization(scope, self._gate.internal.header_for(identity))
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, identity: Identity) -> str | None:
        """Why a verified caller may not use this route at all."""
        path = scope["path"].rstrip("/") or "/"
        required = self._gate.required(scope["method"], path)
        if not required:
            return "No scope opens this route."
        if _names_another_user(scope, identity):
            return "user_id is not the token's subject."
        return None


def _names_another_user(scope: Scope, identity: Identity) -> bool:
    """Whether the query asks in somebody else's name; only an administrator may."""
    if not scope["query_string"] or "agent_os:admin" in identity.scopes:
        return False
    query = parse_qsl(scope["query_string"].decode("latin-1"))
    return any(name == "user_id" and value != identity.user for name, value in query)


def state_for(identity: Identity, deployment: str) -> Mapping[str, Any]:
    """What agno passes on to every run; where it is set, the caller's own values are ignored."""
    origin = {"workspace_id": identity.workspace, "deployment": deployment, "user_id": identity.user}
    state = {"workspace_id": identity.workspace, "user_id": identity.user}
    return {"identity": identity, "dependencies": origin, "metadata": dict(origin), "session_state": state}


def _bearer(scope: Scope) -> bytes:
    """The token of the one Authorization header."""
    values = header_values(scope["headers"], b"authorization")
    if not values:
        raise BadToken("missing")
    scheme, _, token = values[0].partition(b" ")
    if len(values) > 1 or scheme.lower() != b"bearer" or not token:
        raise BadToken("malformed")
    return token


def _replace_authorization(scope: Scope, authorization: tuple[bytes, bytes]) -> None:
    """From here on the request carries our token, and nothing sees the caller's."""
    scope["headers"] = [*(header for header in scope["headers"] if header[0] != b"authorization"), authorization]


async def _unauthorized(scope: Scope, send: Send, kind: str) -> None:
    """401 as RFC 6750 wants it: an error code only where a token was presented."""
    missing = kind == "missing"
    challenge = "Bearer" if missing else f'Bearer error="invalid_token", error_description="{kind}"'
    detail = "A bearer token is required." if missing else f"The token is not valid here: {kind}."
    await send_problem(scope, send, 401, detail, [(b"www-authenticate", challenge.encode())])


async def _unavailable(scope: Scope, send: Send) -> None:
    """503 and not 401: the token may be good, and a client must not throw it away."""
    detail = "The keys of the token's issuer cannot be read at the moment."
    await send_problem(scope, send, 503, detail, [(b"retry-after", str(RETRY_SECONDS).encode())])


async def _forbidden(scope: Scope, send: Send, detail: str) -> None:
    await send_problem(scope, send, 403, detail, [(b"www-authenticate", INSUFFICIENT_SCOPE)])
