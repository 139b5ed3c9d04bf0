"""One runtime with every kind of issuer, over HTTP: a front end, a Control Plane, a browser, and strangers.

It runs as on a laptop, where a key set may stand on this machine; what a pod may ask is in test_runtime_fetch.py.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from agno.client import AgentOSClient
from agno.media import File
from agno.utils.http import aclose_default_clients

from tests.integration.runtime.conftest import (
    AUDIENCE,
    PASSWORD,
    SECRET,
    Database,
    Launch,
    Process,
    agent,
    pod_environ,
    start_runtime,
    write_spec,
)
from tests.unit.runtime.signing import ED25519, KEY_SET, OTHER_RSA, RSA, b64, hs256, pem, rs256

FRONT_END, OS = "https://app.example.com", "https://os.agno.com"
APP, PARTNER = "https://app.example.com", "partner"
Sign = Callable[[bytes], bytes]


class KeyServer(ThreadingHTTPServer):
    """An identity provider's endpoint that counts how often it is asked."""

    asked = 0


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """The set of keys."""
        assert isinstance(self.server, KeyServer)
        self.server.asked += 1
        body = json.dumps(KEY_SET).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def key_server() -> Iterator[KeyServer]:
    server = KeyServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
    database: Database,
    model: Process,
    key_server: KeyServer,
    forked: Launch,
) -> Iterator[Process]:
    """A runtime with a key set, a public key, a Control Plane and the generated secret."""
    folder = tmp_path_factory.mktemp("access")
    write_spec(folder, agent(model.url))
    jwks = f"http://localhost:{key_server.server_port}/jwks"
    process = start_runtime(folder, environ(folder, database, jwks), forked)
    process.wait_until("/readyz")
    assert key_server.asked == 0
    yield process
    process.stop()
    assert PASSWORD not in process.output
    assert "alice@example.com" not in process.output


def environ(folder: Path, database: Database, uri: str) -> dict[str, str]:
    issuers = [
        {"name": "generated", "type": "GeneratedSecret"},
        {
            "name": "app",
            "type": "JWKS",
            "issuer": APP,
            "jwksURI": uri,
            "algorithms": ["EdDSA"],
            "defaultScopes": ["agents:read", "agents:run"],
        },
        {"name": "api", "type": "PublicKey", "issuer": PARTNER, "algorithms": ["RS256"], "publicKey": pem(RSA)},
        {"name": "control-plane", "type": "ControlPlane", "publicKey": pem(OTHER_RSA)},
    ]
    return pod_environ(
        folder,
        database,
        AGENTOS_WORKSPACE="",  # a laptop's process; its workspace is called "local"
        AGENTOS_ISSUERS=json.dumps(issuers),
        AGENTOS_ALLOWED_ORIGINS=f"{FRONT_END} {OS}",
    )


def sign(signature: Sign, header: dict[str, Any], **changes: Any) -> str:
    """A token; a claim of None is left out."""
    now = int(time.time())
    claims = {"aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 600, "workspace_id": "local"} | changes
    claims = {key: value for key, value in claims.items() if value is not None}
    body = f"{b64(json.dumps(header))}.{b64(json.dumps(claims))}"
    return f"{body}.{b64(signature(body.encode()))}"


def better_auth(header: dict[str, Any] | None = None, **changes: Any) -> str:
    """As better-auth's jwt plugin writes it: EdDSA, the id of its key, the user's own fields and no scopes."""
    fields = {"alg": "EdDSA", "kid": "ed"} | (header or {})
    return sign(ED25519.sign, fields, **{"iss": APP, "email": "alice@example.com"} | changes)


def partner(**changes: Any) -> str:
    return sign(rs256, {"alg": "RS256"}, **{"iss": PARTNER, "scopes": ["agents:read"]} | changes)


def control_plane(**changes: Any) -> str:
    """As agno documents its own: a user of os.agno.com, scopes by role, the AgentOS as audience."""
    claims = {"aud": "support--local", "sub": "0f0e", "scopes": ["agent_os:admin"], "workspace_id": None}
    return sign(lambda body: rs256(body, OTHER_RSA), {"alg": "RS256", "typ": "JWT"}, **claims | changes)


def generated(**changes: Any) -> str:
    return sign(hs256, {"alg": "HS256"}, **{"iss": "agentos.hyvve.io", "scopes": ["agents:read"]} | changes)


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


@pytest.mark.parametrize("mint", [better_auth, partner, control_plane, generated], ids=lambda mint: mint.__name__)
def test_a_token_of_every_issuer_lists_the_agents(served: Process, mint: Callable[..., str]) -> None:
    response = httpx.get(served.url + "/agents", headers=bearer(mint()), timeout=60)
    assert response.status_code == 200, response.text
    assert [each["id"] for each in response.json()] == ["support"]


def test_a_front_ends_user_runs_an_agent_by_default_scopes_and_no_more(served: Process) -> None:
    form = {"message": "Hello", "stream": "false"}
    headers = bearer(better_auth())
    answer = httpx.post(served.url + "/agents/support/runs", headers=headers, data=form, timeout=60).json()
    assert (answer["content"], answer["user_id"]) == ("You said: Hello", "alice")
    assert httpx.get(served.url + "/sessions", headers=headers, timeout=60).status_code == 403


def test_scopes_in_the_token_count_before_the_default_ones(served: Process) -> None:
    headers = bearer(better_auth(scopes=["sessions:read"]))
    form = {"message": "Hello", "stream": "false"}
    assert httpx.get(served.url + "/sessions", headers=headers, timeout=60).status_code == 200
    run = httpx.post(served.url + "/agents/support/runs", headers=headers, data=form, timeout=60)
    assert run.status_code == 403


BAD: dict[str, tuple[Callable[[], str], str]] = {
    "a key set's claims under the generated secret": (lambda: sign(hs256, {"alg": "HS256"}, iss=APP), "algorithm"),
    "a key set's public key as a secret": (
        lambda: sign(lambda body: hs256(body, pem(ED25519)), {"alg": "HS256", "kid": "ed"}, iss=APP),
        "algorithm",
    ),
    "an unknown key": (lambda: better_auth({"kid": "other"}), "key"),
    "no key": (lambda: better_auth({"kid": None}), "header"),
    "another algorithm of a key set": (lambda: sign(rs256, {"alg": "RS256", "kid": "rsa"}, iss=APP), "algorithm"),
    "a key set's user in another workspace": (lambda: better_auth(workspace_id="globex"), "workspace"),
    "a key set's user in none": (lambda: better_auth(workspace_id=None), "workspace"),
    "a key set's own audience": (lambda: better_auth(aud=APP), "audience"),
    "an expired token of a key set": (lambda: better_auth(iat=1, exp=2), "expired"),
    "a key set's token for ever": (lambda: better_auth(exp=int(time.time()) + 10**7), "lifetime"),
    "a partner's claims under the Control Plane's key": (
        lambda: sign(lambda body: rs256(body, OTHER_RSA), {"alg": "RS256"}, iss=PARTNER),
        "signature",
    ),
    "the Control Plane's claims under a partner's key": (
        lambda: sign(rs256, {"alg": "RS256"}, aud="support--local", workspace_id=None),
        "signature",
    ),
    "the Control Plane's token for another AgentOS": (lambda: control_plane(aud="support--globex"), "audience"),
    "the Control Plane's token for none": (lambda: control_plane(aud=None), "audience"),
    "the Control Plane's token without an end": (lambda: control_plane(exp=None), "exp"),
    "a public key as a secret": (
        lambda: sign(lambda body: hs256(body, pem(OTHER_RSA)), {"alg": "HS256"}, aud="support--local"),
        "algorithm",
    ),
}


@pytest.mark.parametrize(("mint", "kind"), BAD.values(), ids=BAD.keys())
def test_a_bad_token_is_401_and_the_challenge_names_its_class_alone(
    served: Process, mint: Callable[[], str], kind: str
) -> None:
    response = httpx.get(served.url + "/agents", headers=bearer(mint()), timeout=60)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == f'Bearer error="invalid_token", error_description="{kind}"'
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == f"The token is not valid here: {kind}."


def test_keys_are_asked_for_once_and_used_while_their_endpoint_is_down(served: Process, key_server: KeyServer) -> None:
    for _ in range(5):
        assert httpx.get(served.url + "/agents", headers=bearer(better_auth()), timeout=60).status_code == 200
    asked = key_server.asked
    for number in range(5):
        unknown = bearer(better_auth({"kid": f"made-up-{number}"}))
        assert httpx.get(served.url + "/agents", headers=unknown, timeout=60).status_code == 401
    assert key_server.asked <= asked + 2
    key_server.shutdown()
    assert httpx.get(served.url + "/agents", headers=bearer(better_auth()), timeout=60).status_code == 200


async def test_agnos_own_client_connects_as_a_control_plane_does(served: Process) -> None:
    client = AgentOSClient(served.url, timeout=60)
    headers = bearer(control_plane())
    config = await client.aget_config(headers=headers)
    assert config.os_id == "support--local"
    assert [each.id for each in await client.list_agents(headers=headers)] == ["support"]
    answer = await client.run_agent("support", "Hello", headers=headers)
    assert answer.content == "You said: Hello"
    streamed = [event async for event in client.run_agent_stream("support", "count 3", headers=headers)]
    assert type(streamed[-1]).__name__ == "RunCompletedEvent"
    await aclose_default_clients()  # agno keeps one for the process; its connections belong to this test's loop


async def test_agnos_own_client_talks_sends_a_file_and_decides(served: Process) -> None:
    """All it sends is read, fields that it leaves empty too."""
    client = AgentOSClient(served.url, timeout=60)
    scopes = ["agents:run", "sessions:read", "sessions:write"]
    headers = bearer(generated(scopes=scopes))
    paused = await client.run_agent("support", 'call divide {"a": 6, "b": 2}', headers=headers)
    assert (paused.is_paused, paused.session_id is not None) == (True, True)
    calls = [replace(call, confirmed=True) for call in paused.tools or []]
    where = {"agent_id": "support", "run_id": str(paused.run_id), "session_id": str(paused.session_id)}
    done = await client.continue_agent_run(tools=calls, headers=headers, **where)
    assert '"result": 3' in str(done.content)
    file = File(content=b"words", filename="a.txt", mime_type="text/plain")
    sent = await client.run_agent("support", "read", session_id=paused.session_id, files=[file], headers=headers)
    runs = await client.get_session_runs(str(paused.session_id), headers=headers)
    assert [run.run_id for run in runs] == [paused.run_id, sent.run_id]
    assert str(runs).count("a.txt") > 0
    await client.delete_session(str(paused.session_id), headers=bearer(generated(scopes=[*scopes, "sessions:delete"])))
    with pytest.raises(Exception, match="404"):
        await client.get_session(str(paused.session_id), headers=headers)
    await aclose_default_clients()


def test_a_control_plane_learns_what_it_talks_to_before_it_has_a_token(served: Process) -> None:
    for path in ("/health", "/info"):
        response = httpx.get(served.url + path, headers={"Origin": OS}, timeout=60)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, OS)
    assert httpx.get(served.url + "/info", timeout=60).json()["os_id"] == "support--local"
    assert httpx.get(served.url + "/config", timeout=60).status_code == 401


def preflight(served: Process, origin: str, path: str = "/agents/support/runs") -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return httpx.request("OPTIONS", served.url + path, headers=headers, timeout=60)


@pytest.mark.parametrize("origin", [OS, FRONT_END])
def test_a_browser_at_a_configured_origin_may_ask_and_read_the_answer(served: Process, origin: str) -> None:
    allowed = preflight(served, origin)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == origin
    assert "POST" in allowed.headers["access-control-allow-methods"]
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    read = httpx.get(served.url + "/agents", headers=bearer(control_plane(), Origin=origin), timeout=60)
    assert (read.status_code, read.headers["access-control-allow-origin"]) == (200, origin)
    assert "origin" in read.headers["vary"].lower()


def test_a_page_can_read_why_it_was_refused(served: Process) -> None:
    response = httpx.get(served.url + "/agents", headers={"Origin": FRONT_END}, timeout=60)
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, FRONT_END)
    assert "www-authenticate" in response.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "https://evil.example",
            "http://localhost:3000",
            "https://app.agno.com",
            "null",
            "https://os.agno.com.evil.example",
        ),
        *("http://os.agno.com", "https://os.agno.com:8443", "https://OS.AGNO.COM", "https://evilos.agno.com"),
    ],
)
def test_no_other_origin_may(served: Process, origin: str) -> None:
    refused = preflight(served, origin)
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers
    read = httpx.get(served.url + "/agents", headers=bearer(control_plane(), Origin=origin), timeout=60)
    assert "access-control-allow-origin" not in read.headers


def test_without_a_word_of_origins_no_page_may_and_nothing_but_probes_is_public(runtime: Any) -> None:
    for origin in (OS, FRONT_END, "http://localhost:3000"):
        assert "access-control-allow-origin" not in preflight(runtime, origin).headers
    assert httpx.get(runtime.url + "/info", timeout=60).status_code == 401


def test_no_secret_is_in_what_the_runtime_says(served: Process) -> None:
    assert SECRET not in served.output
    assert better_auth().split(".")[0] not in served.output
