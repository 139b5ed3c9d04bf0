"""Whom an agent asks beside its model: each declared object of agno's has its effect over HTTP, and its own model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.integration.runtime.providers import Refuses, serving

Start = Callable[..., Any]
AnAgent = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def refuses() -> Iterator[str]:
    """The URL of a provider that only fails."""
    with serving(Refuses) as url:
        yield url


@pytest.fixture
def asking(start: Start, an_agent: AnAgent, token: Callable[..., str]) -> Callable[..., Any]:
    """A client of a runtime with one agent, and a team of it with the same fields where it is to have one."""

    @contextmanager
    def begin(*, team: bool = False, **fields: Any) -> Iterator[httpx.Client]:
        agent = an_agent(**{"tools": [], **fields})
        led = {key: value for key, value in agent.items() if key != "tools"} | {"id": "house", "members": ["support"]}
        process = start(agent, teams=[led] if team else [])
        process.wait_until("/readyz")
        scopes = ["agents:run", "teams:run", "sessions:read", "memories:read"]
        headers = {"Authorization": f"Bearer {token(scopes=scopes)}"}
        with httpx.Client(base_url=process.url, headers=headers, timeout=60) as client:
            yield client

    return begin


def named(an_agent: AnAgent, id_: str, **changes: Any) -> dict[str, Any]:
    """The scripted model under another name, by which a run tells that it was asked."""
    return {**an_agent()["model"], "id": f"openai-chat:{id_}", **changes}


def run(client: httpx.Client, message: str, who: str = "agents/support", **form: str) -> dict[str, Any]:
    answer = client.post(f"/{who}/runs", data={"message": message, "stream": "false", **form})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def asked(answer: dict[str, Any], role: str) -> list[str]:
    """Which models were asked in a role, as a run's own figures have it."""
    return [each["id"] for each in answer["metrics"]["details"].get(role, [])]


@pytest.mark.parametrize("who", ["agents/support", "teams/house"])
def test_memories_are_made_by_the_model_that_is_declared_for_them(
    asking: Callable[..., Any], an_agent: AnAgent, who: str
) -> None:
    manager = {"model": named(an_agent, "keeper"), "systemMessage": "You keep memories."}
    with asking(team=True, updateMemoryOnRun=True, memoryManager=manager) as client:
        answer = run(client, 'call add_memory {"memory": "likes green tea"}', who)
        assert asked(answer, "memory_model") == ["keeper"]
        assert "keeper" not in asked(answer, "model")
        kept = [each["memory"] for each in client.get("/memories").json()["data"]]
        assert "likes green tea" in kept


def test_a_memory_manager_that_may_not_add_adds_nothing(asking: Callable[..., Any]) -> None:
    manager = {"addMemories": False, "deleteMemories": True}
    with asking(updateMemoryOnRun=True, memoryManager=manager) as client:
        answer = run(client, 'call add_memory {"memory": "likes black coffee"}')
        assert asked(answer, "memory_model") == ["gpt-4o-mini"]
        kept = [each["memory"] for each in client.get("/memories").json()["data"]]
        assert "likes black coffee" not in kept


@pytest.mark.parametrize("who", ["agents/support", "teams/house"])
def test_a_summary_is_made_by_the_model_that_is_declared_for_it(
    asking: Callable[..., Any], an_agent: AnAgent, who: str
) -> None:
    script = "wait 0 " + json.dumps({"summary": "They spoke of tea.", "topics": ["tea"]})
    manager = {"model": named(an_agent, "clerk"), "summaryRequestMessage": script}
    with asking(team=True, enableSessionSummaries=True, sessionSummaryManager=manager) as client:
        answer = run(client, "tea", who)
        assert asked(answer, "session_summary_model") == ["clerk"]
        kind = "team" if who.startswith("teams") else "agent"
        session = client.get(f"/sessions/{answer['session_id']}", params={"type": kind}).json()
        assert session["session_summary"]["summary"] == "They spoke of tea."


@pytest.mark.parametrize("who", ["agents/support", "teams/house"])
def test_results_are_summed_up_by_the_model_that_is_declared_for_it(
    asking: Callable[..., Any], an_agent: AnAgent, who: str
) -> None:
    manager = {"model": named(an_agent, "press"), "compressToolResultsLimit": 1}
    tools = [{"toolkit": "calculator"}]
    fields = {"compressToolResults": True, "compressionManager": manager, "tools": tools}
    with asking(team=True, **fields) as client:
        message = 'call add {"a": 1, "b": 2}'
        task = "call delegate_task_to_member " + json.dumps({"member_id": "support", "task": message})
        answer = run(client, task if who.startswith("teams") else message, who)
        assert asked(answer, "compression_model") == ["press"]
        assert "You said: Tool Results to Compress" in answer["content"]


@pytest.mark.parametrize(
    ("status", "instead"), [("429", "after-rate-limit"), ("400", "after-overflow"), ("503", "after-error")]
)
@pytest.mark.parametrize("stream", ["false", "true"])
def test_the_model_that_is_declared_for_a_kind_of_failure_answers(
    asking: Callable[..., Any], an_agent: AnAgent, refuses: str, status: str, instead: str, stream: str
) -> None:
    first = named(an_agent, "first", baseURL=f"{refuses}/{status}/v1", options={"max_retries": 0})
    config = {
        "onError": [named(an_agent, "after-error")],
        "onRateLimit": [named(an_agent, "after-rate-limit")],
        "onContextOverflow": [named(an_agent, "after-overflow")],
    }
    with asking(model=first, fallbackConfig=config) as client:
        form = {"message": "hello", "stream": stream, "session_id": f"{status}-{stream}"}
        answer = client.post("/agents/support/runs", data=form)
        assert answer.status_code == 200, answer.text
        (kept,) = client.get(f"/sessions/{form['session_id']}/runs").json()
        assert kept["content"] == "You said: hello"
        assert set(asked(kept, "model")) - {"first"} == {instead}


def test_a_failure_for_which_no_model_is_declared_is_a_failed_run(
    asking: Callable[..., Any], an_agent: AnAgent, refuses: str
) -> None:
    first = named(an_agent, "first", baseURL=f"{refuses}/503/v1", options={"max_retries": 0})
    with asking(model=first, fallbackConfig={"onRateLimit": [named(an_agent, "second")]}) as client:
        answer = client.post("/agents/support/runs", data={"message": "hello", "stream": "false"})
        assert answer.status_code == 502, answer.text
