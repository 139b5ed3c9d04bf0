"""The gate in front of agno, with a stand-in for agno that shows what reached it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import jwt
import pytest

from agentos_runtime.auth.fetch import FetchFailed
from agentos_runtime.auth.internal import InternalTokens
from agentos_runtime.auth.jwks import KeySet
from agentos_runtime.auth.middleware import CONTROL_PLANE, PUBLIC, Authentication, Gate
from agentos_runtime.auth.signatures import PublishedKeys
from agentos_runtime.auth.tokens import Verifier, create_verifier
from agentos_runtime.issuers import Issuer
from agentos_runtime.settings import AuthSettings
from tests.unit.runtime.signing import GENERATED_SECRET, SECRET


def make_token(**changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": "agentos.hyvve.io", "aud": "uid-1", "sub": "alice", "iat": now, "exp": now + 600}
    claims |= {"workspace_id": "acme", "scopes": ["agents:run"]} | changes
    return jwt.encode(claims, SECRET, algorithm="HS256")


class Caller:
    """Sends requests through the gate and keeps what came back and what got through."""

    def __init__(self, verifier: Verifier | None = None, public: frozenset[str] = PUBLIC) -> None:
        self.reached: list[dict[str, Any]] = []
        self.sent: list[Any] = []
        self.internal = InternalTokens()
        settings = AuthSettings(secrets=(SECRET,), audience="uid-1", issuers=(GENERATED_SECRET.issuer,))
        verifier = verifier or create_verifier(settings, "acme", laptop=False)
        self.gate = Authentication(self.app, Gate(verifier, self.internal, self.required, "support", public))

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.append(scope)

    @staticmethod
    def required(method: str, path: str) -> Sequence[str]:
        return ["agents:run"] if path == "/agents" else []

    async def ask(
        self, *authorization: str, path: str = "/agents", query: str = "", method: str = "GET"
    ) -> tuple[int, dict[bytes, bytes], dict[str, Any]]:
        """Status, headers and body; status 0 where the request was let through."""
        headers = [(b"authorization", value.encode()) for value in authorization]
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
        await self.gate({**scope, "headers": headers}, self.receive, self.send)
        if not self.sent:
            return 0, {}, {}
        return self.sent[0]["status"], dict(self.sent[0]["headers"]), json.loads(self.sent[1]["body"])

    async def receive(self) -> Any:
        raise AssertionError("the gate must not read the body")

    async def send(self, message: Any) -> None:
        self.sent.append(message)


async def test_the_verified_identity_reaches_the_application_and_nothing_of_the_caller_does() -> None:
    caller = Caller()
    assert (await caller.ask("Bearer " + make_token()))[0] == 0
    state = caller.reached[0]["state"]
    assert state["identity"].user == "alice"
    assert state["dependencies"] == {"workspace_id": "acme", "deployment": "support", "user_id": "alice"}
    assert state["metadata"] == state["dependencies"]
    assert state["session_state"] == {"workspace_id": "acme", "user_id": "alice"}


async def test_agno_sees_a_token_of_this_process_and_never_the_callers() -> None:
    caller = Caller()
    token = make_token(email="alice@example.com", scopes=["agents:run", "agents:read"])
    await caller.ask("Bearer " + token)
    values = [value.decode() for name, value in caller.reached[0]["headers"] if name == b"authorization"]
    assert len(values) == 1
    assert token not in values[0]
    internal = values[0].removeprefix("Bearer ")
    claims = jwt.decode(
        internal, caller.internal.secret, algorithms=["HS256"], audience="agno", issuer="agentos-runtime"
    )
    assert (claims["sub"], claims["scopes"]) == ("alice", ["agents:run", "agents:read"])
    assert claims.keys() == {"iss", "aud", "sub", "scopes", "iat", "exp"}
    assert claims["exp"] - claims["iat"] == 60


async def test_a_token_of_another_process_means_nothing_here() -> None:
    caller, other = Caller(), Caller()
    await other.ask("Bearer " + make_token())
    internal = other.reached[0]["headers"][-1][1].decode()
    assert (await caller.ask(internal))[0] == 401


async def test_a_token_that_cannot_be_judged_is_503_and_may_be_sent_again() -> None:
    async def away() -> bytes:
        raise FetchFailed("the endpoint is down")

    issuer = Issuer("app", "JWKS", "https://app.example", "uid-1", ("workspace_id", "acme"), frozenset({"HS256"}))
    keys = PublishedKeys(KeySet("app", issuer.algorithms, away))
    settings = AuthSettings(secrets=(SECRET,), issuers=(issuer,))
    caller = Caller(Verifier(settings, "acme", {"app": keys}))
    claims = {"iss": "https://app.example", "aud": "uid-1", "sub": "alice"}
    token = jwt.encode(claims, SECRET, algorithm="HS256", headers={"kid": "1"})
    status, headers, body = await caller.ask("Bearer " + token)
    assert (status, headers[b"retry-after"]) == (503, b"10")
    assert body["detail"] == "The keys of the token's issuer cannot be read at the moment."


async def test_one_runs_changes_do_not_reach_the_next() -> None:
    caller = Caller()
    await caller.ask("Bearer " + make_token())
    caller.reached[0]["state"]["dependencies"]["workspace_id"] = "other"
    assert caller.reached[0]["state"]["metadata"]["workspace_id"] == "acme"


async def test_no_token_is_challenged_without_an_error_code() -> None:
    status, headers, _ = await Caller().ask()
    assert (status, headers[b"www-authenticate"]) == (401, b"Bearer")


@pytest.mark.parametrize(
    "authorization",
    [
        [make_token()],
        ["Basic " + make_token()],
        ["Bearer"],
        ["Bearer "],
        ["Bearer  " + make_token()],
        ["Bearer " + make_token(), "Bearer " + make_token()],
        ["Bearer agno_pat_0123456789"],
    ],
    ids=["no scheme", "Basic", "scheme alone", "no token", "two spaces", "two headers", "agno's own token"],
)
async def test_a_header_of_another_form_is_refused(authorization: list[str]) -> None:
    caller = Caller()
    status, headers, body = await caller.ask(*authorization)
    assert status == 401
    assert headers[b"www-authenticate"] == b'Bearer error="invalid_token", error_description="malformed"'
    assert body["detail"] == "The token is not valid here: malformed."
    assert not caller.reached


async def test_the_scheme_may_be_written_in_any_case() -> None:
    assert (await Caller().ask("bearer " + make_token()))[0] == 0


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz"])
async def test_a_public_path_needs_no_token(path: str) -> None:
    assert (await Caller().ask(path=path))[0] == 0


async def test_what_a_control_plane_asks_first_is_public_where_one_may_connect() -> None:
    assert (await Caller(public=PUBLIC | CONTROL_PLANE).ask(path="/info"))[0] == 0
    assert (await Caller(public=PUBLIC | CONTROL_PLANE).ask(path="/config"))[0] == 401


@pytest.mark.parametrize("path", ["/", "/info", "/health/", "/healthz", "//health", "/HEALTH", "/livez/../agents"])
async def test_a_path_that_resembles_a_public_one_does(path: str) -> None:
    assert (await Caller().ask(path=path))[0] == 401


async def test_a_route_that_no_scope_opens_is_refused() -> None:
    status, headers, body = await Caller().ask("Bearer " + make_token(scopes=["agent_os:admin"]), path="/queue")
    assert (status, body["detail"]) == (403, "No scope opens this route.")
    assert headers[b"www-authenticate"] == b'Bearer error="insufficient_scope"'


@pytest.mark.parametrize("query", ["user_id=bob", "x=1&user_id=bob", "user_id=alice&user_id=bob", "user%5Fid=bob"])
async def test_a_query_in_another_users_name_is_refused(query: str) -> None:
    assert (await Caller().ask("Bearer " + make_token(), query=query))[0] == 403


@pytest.mark.parametrize(("scopes", "query"), [(["agents:run"], "user_id=alice"), (["agent_os:admin"], "user_id=bob")])
async def test_ones_own_name_or_an_administrators_may_be_given(scopes: list[str], query: str) -> None:
    assert (await Caller().ask("Bearer " + make_token(scopes=scopes), query=query))[0] == 0


async def test_a_preflight_is_nothing_that_opens_the_gate() -> None:
    """It is answered outside of the gate; what comes this far is a request like any other."""
    caller = Caller()
    headers = [(b"origin", b"https://app.example"), (b"access-control-request-method", b"POST")]
    scope = {"type": "http", "method": "OPTIONS", "path": "/agents", "headers": headers, "query_string": b""}
    await caller.gate(scope, caller.receive, caller.send)
    assert caller.sent[0]["status"] == 401
    assert not caller.reached


async def test_a_websocket_is_closed_before_anything_is_asked() -> None:
    caller = Caller()
    await caller.gate({"type": "websocket", "path": "/workflows/ws", "headers": []}, caller.receive, caller.send)
    assert caller.sent == [{"type": "websocket.close", "code": 1008, "reason": "not offered"}]
    assert not caller.reached
