"""Tools, hooks and instructions know the workspace and the user, and no caller can tell them another.

The whole application in this process, with an agent whose tool says what it was given; the model is the scripted one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import pytest
from agno.agent import Agent
from agno.models.openai import OpenAIChat
from agno.run import RunContext
from agno.tools import tool
from agno.utils.http import aclose_default_clients

from agentos_runtime import app as application
from agentos_runtime.agents.compile import Components
from agentos_runtime.database.prepare import prepare
from agentos_runtime.settings import settings_from
from agentos_spec import load_spec

Token = Callable[..., str]
SECRET = "the-workspace-secret-of-the-tests-0123456789"
EVIL = json.dumps({"workspace_id": "globex", "user_id": "bob", "deployment": "x"})
SCOPES = ["agents:run", "sessions:read", "sessions:write"]


def what_is_known(run_context: RunContext) -> dict[str, Any]:
    state = run_context.session_state or {}
    return {
        "dependencies": run_context.dependencies,
        "metadata": run_context.metadata,
        "session_state": {key: state.get(key) for key in ("workspace_id", "user_id", "current_user_id")},
        "user_id": run_context.user_id,
    }


@tool
def tell(run_context: RunContext) -> str:
    """Say everything that a tool is given."""
    return json.dumps(what_is_known(run_context))


@tool(requires_confirmation=True)
def tell_later(run_context: RunContext) -> str:
    """The same, once somebody has agreed."""
    return json.dumps(what_is_known(run_context))


Seen = list[dict[str, Any]]
"""What a hook was given, run by run."""


EXPECTED = {
    "dependencies": {"workspace_id": "acme", "deployment": "support", "user_id": "alice"},
    "metadata": {"workspace_id": "acme", "deployment": "support", "user_id": "alice"},
    "session_state": {"workspace_id": "acme", "user_id": "alice", "current_user_id": "alice"},
    "user_id": "alice",
}


@pytest.fixture
async def asked(
    tmp_path: Path, model: Any, token: Token, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[httpx.AsyncClient, Seen]]:
    """Alice's client, and what the agent's hook saw."""
    seen: Seen = []

    async def hook(run_context: RunContext) -> None:
        # A function: agno copies an agent for each request, and a method's object with it.
        seen.append(what_is_known(run_context))

    def components(*_: Any) -> Components:
        agent = Agent(
            id="support",
            model=OpenAIChat(id="gpt-4o-mini", base_url=f"{model.url}/v1", api_key="x"),
            tools=[tell, tell_later],
            pre_hooks=[hook],
            instructions=["You work for {workspace_id}, and you speak to {user_id}."],
            telemetry=False,
        )
        return Components(agents=[agent])

    monkeypatch.setattr(application, "compile_components", components)
    environ = {
        "AGENTOS_WORKSPACE": "acme",
        "AGENTOS_DEPLOYMENT": "support",
        "AGENTOS_DATABASE_URL": f"sqlite:///{tmp_path}/agentos.db",
        "AGENTOS_JWT_VERIFICATION_SECRETS": SECRET,
        "AGENTOS_JWT_AUDIENCE": "uid-1",
    }
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "apiVersion: agentos.hyvve.io/v1alpha1\nkind: AgentDeployment\nmetadata: {name: support}\n"
        "spec: {agents: [{id: support, model: {id: 'openai-chat:x'}}]}\n"
    )
    settings = settings_from(environ, spec_file=spec)
    prepare(settings.database)
    done: Future[None] = Future()
    done.set_result(None)
    built = application.create_app(
        settings, load_spec(spec), read_secret=lambda *_: "x", prepared=done, give_up=lambda: None
    )
    headers = {"Authorization": f"Bearer {token(aud='uid-1', scopes=SCOPES)}"}
    async with Running(built.asgi):
        transport = httpx.ASGITransport(built.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://runtime", headers=headers) as client:
            yield client, seen
    await aclose_default_clients()  # agno keeps one for the process; its connections belong to this test's loop


class Running:
    """The application's lifespan around a block."""

    def __init__(self, asgi: Any) -> None:
        self._asgi = asgi
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._task = asyncio.create_task(self._asgi(scope, self._to_app.get, self._from_app.put))
        await self._to_app.put({"type": "lifespan.startup"})
        assert (await self._from_app.get())["type"] == "lifespan.startup.complete"

    async def __aexit__(self, *_: object) -> None:
        await self._to_app.put({"type": "lifespan.shutdown"})
        await self._from_app.get()
        await self._task


async def run(client: httpx.AsyncClient, message: str, **form: str) -> dict[str, Any]:
    response = await client.post("/agents/support/runs", data={"message": message, "stream": "false", **form})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def told(answer: dict[str, Any]) -> Any:
    return json.loads(answer["content"].removeprefix("The tool answered: "))


FORMS: dict[str, dict[str, str]] = {
    "nothing": {},
    "dependencies": {"dependencies": EVIL},
    "metadata": {"metadata": EVIL},
    "session_state": {"session_state": EVIL},
    "user_id": {"user_id": "bob"},
    "everything": {"dependencies": EVIL, "metadata": EVIL, "session_state": EVIL, "user_id": "bob"},
    "fields that agno does not name": {"workspace_id": "globex", "deployment": "x", "current_user_id": "bob"},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
async def test_no_form_field_changes_what_tools_and_hooks_know(
    asked: tuple[httpx.AsyncClient, Seen], form: dict[str, str]
) -> None:
    client, seen = asked
    assert told(await run(client, "call tell {}", **form)) == EXPECTED
    assert seen == [EXPECTED]


async def test_instructions_can_name_both(asked: tuple[httpx.AsyncClient, Seen]) -> None:
    answer = await run(asked[0], "Hello", session_state=EVIL, dependencies=EVIL, metadata=EVIL)
    [system] = [message["content"] for message in answer["messages"] if message["role"] == "system"]
    assert "You work for acme, and you speak to alice." in system


@pytest.mark.parametrize("name", ["workspace_id", "dependencies", "metadata", "session_state"])
async def test_no_query_does(asked: tuple[httpx.AsyncClient, Seen], name: str) -> None:
    client, _ = asked
    form = {"message": "call tell {}", "stream": "false"}
    response = await client.post("/agents/support/runs", params={name: EVIL}, data=form)
    assert told(response.json()) == EXPECTED


async def test_no_header_does(asked: tuple[httpx.AsyncClient, Seen]) -> None:
    client, _ = asked
    headers = {"X-Workspace-Id": "globex", "X-User-Id": "bob"}
    form = {"message": "call tell {}", "stream": "false"}
    assert told((await client.post("/agents/support/runs", headers=headers, data=form)).json()) == EXPECTED


@pytest.mark.parametrize("name", ["workspace_id", "user_id"])
async def test_a_session_cannot_be_written_with_another_between_a_run_and_its_continuation(
    asked: tuple[httpx.AsyncClient, Seen], name: str
) -> None:
    client, _ = asked
    paused = await run(client, "call tell_later {}")
    session, body = paused["session_id"], {"session_state": {name: "globex", "own": 1}}
    refused = await client.patch(f"/sessions/{session}", params={"type": "agent"}, json=body)
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "workspace_id and user_id of a session's state come from the token.",
    )
    assert (await client.post("/sessions", params={"type": "agent"}, json=body)).status_code == 403
    form = {
        "tools": json.dumps([{**paused["tools"][0], "confirmed": True}]),
        "session_id": session,
        "stream": "false",
        "dependencies": EVIL,
        "metadata": EVIL,
        "session_state": EVIL,
    }
    done = await client.post(f"/agents/support/runs/{paused['run_id']}/continue", data=form)
    assert told(done.json()) == EXPECTED


async def test_state_of_ones_own_may_be_kept_in_a_session(asked: tuple[httpx.AsyncClient, Seen]) -> None:
    client, _ = asked
    session = (await run(client, "Hello"))["session_id"]
    change = {"session_state": {"page": "orders"}}
    written = await client.patch(f"/sessions/{session}", params={"type": "agent"}, json=change)
    assert written.status_code == 200, written.text
    assert written.json()["session_state"]["page"] == "orders"
    assert told(await run(client, "call tell {}", session_id=session)) == EXPECTED
