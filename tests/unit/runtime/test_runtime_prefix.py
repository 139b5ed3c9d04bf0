"""A shared host: the runtime takes its own path off, and nothing else passes for it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from agentos_runtime.errors import StartupError
from agentos_runtime.http.prefix import PathPrefix
from agentos_runtime.settings import settings_from

POD = {
    "AGENTOS_WORKSPACE": "acme",
    "AGENTOS_DEPLOYMENT": "support",
    "AGENTOS_SPEC_FILE": "/etc/agentos/agent-deployment.yaml",
    "AGENTOS_DATABASE_URL": "sqlite:///x",
    "AGENTOS_JWT_VERIFICATION_SECRETS": "a" * 32,
    "AGENTOS_JWT_AUDIENCE": "uid-1",
}


async def ask(sent: str, prefix: str = "/acme/support", kind: str = "http") -> Any:
    """What the application below sees of a request for ``sent``; the answer where none gets there."""
    answers: list[Any] = []
    reached: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append((scope.get("path"), scope.get("raw_path")))

    async def send(message: Any) -> None:
        answers.append(message)

    async def receive() -> Any:
        raise AssertionError("the layer must not read")

    scope = {"type": kind, "path": unquote(sent), "raw_path": sent.encode(), "headers": []}
    await PathPrefix(app, prefix)(scope, receive, send)
    return reached[0] if reached else answers


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("/acme/support/agents", "/agents"),
        ("/acme/support", "/"),
        ("/acme/support/", "/"),
        ("/acme/support//agents", "//agents"),
        ("/acme/support/acme/support/agents", "/acme/support/agents"),
        ("/acme/support/livez", "/livez"),
    ],
)
async def test_everything_below_the_prefix_arrives_as_on_a_host_of_its_own(sent: str, seen: str) -> None:
    assert await ask(sent) == (seen, seen.encode())


async def test_an_encoded_slash_below_the_prefix_stays_what_it_was() -> None:
    assert await ask("/acme/support/agents/a%2Fb") == ("/agents/a/b", b"/agents/a%2Fb")


@pytest.mark.parametrize(
    "sent",
    [
        "/",
        "/agents",
        "/acme",
        "/acme/supportx/agents",
        "/acme/support-eu/agents",
        "/acme%2Fsupport/agents",
        "/acme/support%2Fagents",
        "/%61cme/support/agents",
        "//acme/support/agents",
        "/acme//support/agents",
        "/ACME/support/agents",
        "/globex/x/../../acme/support/agents",
        "/x/acme/support/agents",
    ],
)
async def test_a_path_that_does_not_begin_with_the_prefix_is_404_and_reaches_nothing(sent: str) -> None:
    start, body = await ask(sent)
    assert start["status"] == 404
    assert json.loads(body["body"])["title"] == "Not Found"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_the_kubelets_probes_come_without_a_prefix(path: str) -> None:
    assert await ask(path) == (path, path.encode())


async def test_a_websocket_beside_the_prefix_is_closed() -> None:
    (closed,) = await ask("/other", kind="websocket")
    assert closed["type"] == "websocket.close"


async def test_on_a_host_of_its_own_nothing_is_taken_off() -> None:
    assert await ask("/acme/support/agents", prefix="") == ("/acme/support/agents", b"/acme/support/agents")


def test_the_prefix_comes_from_the_environment() -> None:
    assert settings_from({**POD, "AGENTOS_PATH_PREFIX": "/acme/support"}).path_prefix == "/acme/support"
    assert settings_from(dict(POD)).path_prefix == ""


@pytest.mark.parametrize("prefix", ["acme", "/", "/acme/", "/acme/../x", "/a%2Fb", "//", "/acme//x"])
def test_a_prefix_that_no_request_could_match_ends_the_start(prefix: str) -> None:
    with pytest.raises(StartupError, match="AGENTOS_PATH_PREFIX"):
        settings_from({**POD, "AGENTOS_PATH_PREFIX": prefix})
