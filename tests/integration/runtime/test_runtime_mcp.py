"""MCP servers as tools, with a real server that stops, comes back, and is not what the spec says of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.forks import Forks
from tests.integration.runtime.conftest import Process, a_free_port

KEY = "planted-mcp-key"
Servers = Callable[..., Any]


@pytest.fixture(scope="module")
def forked_servers() -> Iterator[Forks]:
    """Starts MCP servers in a fraction of the second that their imports take."""
    forks = Forks("tests.integration.runtime.mcp_server:main")
    yield forks
    forks.close()


@pytest.fixture
def serve_mcp(tmp_path: Path, forked_servers: Forks) -> Iterator[Servers]:
    """Starts the server on a port; it answers once this returns."""
    started: list[Process] = []

    def begin(port: int, transport: str = "streamable-http", *without: str) -> Process:
        log = tmp_path / f"mcp-{port}-{len(started)}"
        process = Process([transport, str(port), *without], {}, log, port, forked_servers.start)
        started.append(process)
        process.wait_until("/nothing", 401)
        return process

    yield begin
    for process in started:
        process.stop()


class Deployment:
    """A runtime whose agent has one MCP server."""

    def __init__(self, process: Any, token: Callable[..., str], metrics_port: int) -> None:
        self.process = process
        self._metrics_port = metrics_port
        scopes = ["agents:run", "agents:read", "config:read", "sessions:read", "sessions:write"]
        self._headers = {"Authorization": f"Bearer {token(scopes=scopes)}"}

    def asks(self, message: str) -> dict[str, Any]:
        form = {"message": message, "stream": "false"}
        return self._json(httpx.post(f"{self.process.url}/agents/support/runs", data=form, **self._with))

    def goes_on(self, run: dict[str, Any]) -> dict[str, Any]:
        return self._json(self.decides(run))

    def decides(self, run: dict[str, Any]) -> httpx.Response:
        """The run's user says yes to its call."""
        form = {
            "tools": json.dumps([{**run["tools"][0], "confirmed": True}]),
            "session_id": run["session_id"],
            "stream": "false",
        }
        url = f"{self.process.url}/agents/support/runs/{run['run_id']}/continue"
        return httpx.post(url, data=form, **self._with)

    def server(self) -> dict[str, Any]:
        """What /config says of the server."""
        found: dict[str, Any] = self._json(httpx.get(f"{self.process.url}/config", **self._with))["mcp_servers"][0]
        return found

    def state(self) -> dict[str, Any]:
        """What the operator is told of the server."""
        said = httpx.get(f"http://127.0.0.1:{self._metrics_port}/state", timeout=10).json()
        assert said["version"]
        assert said["agno"].startswith("3.")
        (found,) = said["mcpServers"]
        return dict(found)

    def is_told(self, word: str) -> dict[str, Any]:
        """What /config says once its status, or its message, holds a word."""
        deadline = time.monotonic() + 60
        while word not in str((said := self.server()).get("message", "")) + str(said["status"]):
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        return said

    @property
    def _with(self) -> dict[str, Any]:
        return {"headers": self._headers, "timeout": 60}

    def _json(self, response: httpx.Response) -> dict[str, Any]:
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


@pytest.fixture
def deploy(
    tmp_path: Path, start: Callable[..., Any], an_agent: Callable[..., Any], token: Callable[..., str]
) -> Iterator[Callable[..., Deployment]]:
    """An agent with the server at a port; it must never tell the server's key."""
    made: list[Any] = []

    def begin(port: int, path: str = "/mcp", waits: Any = (), approved: Any = (), **mcp: Any) -> Deployment:
        key = tmp_path / "secrets" / "docs" / "key"
        key.parent.mkdir(parents=True, exist_ok=True)
        key.write_text(KEY)
        headers = [{"name": "X-Key", "secretKeyRef": {"name": "docs", "key": "key"}}]
        server = {"name": "docs", "url": f"http://127.0.0.1:{port}{path}", "headers": headers, "timeoutSeconds": 5}
        guarded = {"requiresConfirmation": list(waits), "requiresApproval": list(approved)}
        metrics_port = a_free_port()
        process = start(an_agent(tools=[{"mcp": server | mcp, **guarded}]), AGENTOS_METRICS_PORT=str(metrics_port))
        made.append(process)
        process.wait_until("/readyz")
        return Deployment(process, token, metrics_port)

    yield begin
    for process in made:
        assert KEY not in process.output


@pytest.mark.parametrize(("transport", "path"), [("streamable-http", "/mcp"), ("sse", "/sse")])
def test_the_model_calls_a_tool_before_and_after_the_server_restarted(
    transport: str, path: str, deploy: Any, serve_mcp: Servers, free_port: int
) -> None:
    server = serve_mcp(free_port, transport)
    deployment = deploy(free_port, path, transport=transport)
    assert "zebra stands on page 7" in deployment.asks('call lookup {"word": "zebra"}')["content"]
    server.stop()
    assert "MCP server 'docs' cannot be used" in deployment.asks('call lookup {"word": "zebra"}')["content"]
    assert deployment.is_told("unavailable")["tools"] == ["forget", "lookup"]
    serve_mcp(free_port, transport)
    assert "zebra stands on page 7" in deployment.asks('call lookup {"word": "zebra"}')["content"]
    assert deployment.server()["status"] == "connected"


def test_a_server_that_is_away_at_the_start_is_named_to_the_model_and_found_when_it_comes(
    deploy: Any, serve_mcp: Servers, free_port: int
) -> None:
    deployment = deploy(free_port)
    message = deployment.is_told("connect")["message"]
    assert deployment.server()["tools"] == []
    assert deployment.state() == {"name": "docs", "status": "unavailable", "message": message}
    assert "The tools of the MCP server 'docs' cannot be used now" in deployment.asks("system")["content"]
    serve_mcp(free_port)
    assert "zebra stands on page 7" in deployment.asks('call lookup {"word": "zebra"}')["content"]
    assert "docs" not in deployment.asks("system")["content"]
    assert deployment.state() == {"name": "docs", "status": "connected"}


@pytest.mark.parametrize("path", ["/wrong", "/elsewhere"])
def test_an_address_that_is_wrong_or_leads_to_another_host_is_told(
    path: str, deploy: Any, serve_mcp: Servers, free_port: int
) -> None:
    server = serve_mcp(free_port)
    deployment = deploy(free_port, path)
    deployment.asks("hello")
    assert f"asked as 127.0.0.1:{free_port}" in server.output
    assert "asked as localhost" not in server.output, "a header with the key would have gone there too"
    assert deployment.server()["status"] == "unavailable"
    assert deployment.server()["message"] != "it has not been asked yet"


def test_a_call_that_waits_runs_after_its_user_said_yes(deploy: Any, serve_mcp: Servers, free_port: int) -> None:
    serve_mcp(free_port)
    deployment = deploy(free_port, waits=["forget"], toolNamePrefix="docs")
    run = deployment.asks('call docs_forget {"word": "zebra"}')
    assert run["status"] == "PAUSED", run
    assert "zebra is forgotten" in deployment.goes_on(run)["content"]


def test_a_call_that_waits_for_an_approver_goes_on_in_another_process(
    deploy: Any, serve_mcp: Servers, free_port: int, token: Callable[..., str]
) -> None:
    serve_mcp(free_port)
    first, second = (deploy(free_port, approved=["forget"]) for _ in range(2))
    run = first.asks('call forget {"word": "zebra"}')
    assert run["status"] == "PAUSED", run
    assert second.decides(run).status_code == 403, "its user is no approver"
    approver = {"Authorization": f"Bearer {token(sub='carol', scopes=['approvals:read', 'approvals:write'])}"}
    found = httpx.get(f"{second.process.url}/approvals?run_id={run['run_id']}", headers=approver).json()["data"]
    (approval,) = found
    resolve = f"{second.process.url}/approvals/{approval['id']}/resolve"
    assert httpx.post(resolve, json={"status": "approved"}, headers=approver).status_code == 200
    first.process.stop()
    assert "zebra is forgotten" in second.goes_on(run)["content"]


def test_a_name_that_the_server_does_not_have_leaves_nothing_unguarded(
    deploy: Any, serve_mcp: Servers, free_port: int
) -> None:
    serve_mcp(free_port)
    deployment = deploy(free_port, waits=["forgett"])
    assert "is forgotten" not in deployment.asks('call forget {"word": "zebra"}')["content"]
    assert "did you mean 'forget'?" in deployment.is_told("forgett")["message"]


def test_only_the_tools_that_are_included_can_be_called(deploy: Any, serve_mcp: Servers, free_port: int) -> None:
    serve_mcp(free_port)
    deployment = deploy(free_port, includeTools=["lookup"])
    assert "is forgotten" not in deployment.asks('call forget {"word": "zebra"}')["content"]
    assert deployment.server()["tools"] == ["lookup"]
