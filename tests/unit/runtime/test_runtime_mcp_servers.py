"""MCP servers: what a file may say of them, and that runs do not queue behind one that hangs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentos_runtime.agents.mcp import McpServer, compile_server
from agentos_runtime.errors import StartupError
from agentos_spec import McpServerSpec, Spec, SpecError, parse_spec

SERVER = {"name": "docs", "url": "http://docs.tools.svc:8080/mcp"}
KEY = {"name": "docs", "key": "token"}


def parsed(*tools: Any) -> Spec:
    agent = {"id": "support", "model": {"id": "openai-chat:gpt-4o-mini"}, "tools": list(tools)}
    return parse_spec(
        {
            "apiVersion": "agentos.hyvve.io/v1alpha1",
            "kind": "AgentDeployment",
            "metadata": {"name": "support"},
            "spec": {"agents": [agent]},
        }
    )


def server(**changes: Any) -> McpServerSpec:
    (found,) = parsed({"mcp": SERVER | changes}).agents[0].tools
    assert isinstance(found, McpServerSpec)
    return found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"transport": "stdio"}, "run the server as a Service of its own"),
        ({"transport": "websocket"}, "websocket"),
        ({"url": "http://user:secret@docs.tools.svc/mcp"}, "credentials go into headers"),
        ({"url": "http://docs.tools.svc/mcp?key=secret"}, "credentials go into headers"),
        ({"timeoutSeconds": 0}, "timeoutSeconds"),
        ({"includeTool": ["lookup"]}, "did you mean"),
        ({"headers": [{"name": "X", "value": "a"}, {"name": "x", "value": "b"}]}, "given twice"),
        ({"headers": [{"name": "X", "value": "a", "secretKeyRef": KEY}]}, "exactly one of value and secretKeyRef"),
        ({"headers": [{"name": "X: y", "value": "a"}]}, "the name of a header"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as refused:
        server(**changes)
    assert words in str(refused.value)
    assert "spec.agents[0].tools[0].mcp" in str(refused.value)
    assert "secret@" not in str(refused.value)


def test_two_servers_of_an_agent_need_names_of_their_own() -> None:
    with pytest.raises(SpecError, match="give each server its own"):
        parsed({"mcp": SERVER}, {"mcp": SERVER})


def test_a_secret_that_cannot_be_a_header_is_refused_and_not_told() -> None:
    spec = server(headers=[{"name": "Authorization", "secretKeyRef": KEY}])
    with pytest.raises(StartupError) as refused:
        compile_server(spec, lambda *_: "planted\nInjected: yes")
    assert "header 'Authorization'" in str(refused.value)
    assert "planted" not in str(refused.value)


async def test_runs_that_find_a_server_hanging_wait_for_it_together(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, answers = 0, asyncio.Event()

    async def look(_: McpServer) -> None:
        nonlocal looks
        looks += 1
        await answers.wait()
        raise ConnectionError("it went away")

    monkeypatch.setattr(McpServer, "_look", look)
    hanging = compile_server(server(), lambda *_: "")
    runs = [asyncio.create_task(hanging.build_tools()) for _ in range(10)]
    await asyncio.sleep(0)
    answers.set()
    await asyncio.gather(*runs)
    assert looks == 1
    assert hanging.trouble == "it went away"
