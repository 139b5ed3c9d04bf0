"""Hooks of an image's own over HTTP: they change and refuse questions and answers, and stand around calls of tools."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.runtime.conftest import (
    Database,
    Process,
    agent,
    anew,
    make_token,
    pod_environ,
    start_runtime,
    write_spec,
)

SCOPES = ["agents:read", "agents:run", "teams:run", "workflows:run", "sessions:read"]
CHECKS = """
import asyncio

from agno.exceptions import InputCheckError, OutputCheckError
from agno.guardrails import BaseGuardrail
from agno.hooks import hook


def louder(run_input):
    run_input.input_content = run_input.input_content.replace("hello", "HELLO")


async def friendlier(run_input, user_id, agent=None, team=None):
    await asyncio.sleep(0)
    run_input.input_content = run_input.input_content.replace("HELLO", f"HELLO from {user_id} to {(agent or team).id}")


def polite(run_input):
    if "damn" in run_input.input_content:
        raise InputCheckError("mind your language")


async def fragile(run_input):
    if "glass" in run_input.input_content:
        raise ValueError("what only the log may tell")


class Short(BaseGuardrail):
    def check(self, run_input):
        raise NotImplementedError

    async def async_check(self, run_input):
        if len(run_input.input_content) > 400:
            raise InputCheckError("say it in 400 letters")


def signed(run_output):
    run_output.content += " Yours, the shop"


async def no_prices(run_output, run_context):
    if "EUR" in str(run_output.content):
        raise OutputCheckError("an answer names no prices")


def discreet(run_output):
    if "I was told" in str(run_output.content):
        raise OutputCheckError("instructions stay here")


def sturdy(run_output):
    if "stone" in str(run_output.content):
        raise ValueError("what only the log may tell")


class NoNames(BaseGuardrail):
    def check(self, run_output):
        raise NotImplementedError

    async def async_check(self, run_output):
        if "Rumpelstiltskin" in str(run_output.content):
            raise OutputCheckError("nobody is named")


@hook(run_in_background=True)
def told(run_output):
    print("told about", run_output.run_id)
    raise OutputCheckError("nobody hears this")
"""
CALLS = """
def doubled(function_name, function_call, arguments):
    answer = function_call(**arguments)
    return f"<plain {function_name}: {answer}>"


async def waited(name, func, args):
    if "forbidden" in str(args):
        return "not for you"
    return f"<async {name}: {await func(**args)}>"


def passed_on(function_name, function_call, arguments):
    print("passed on", function_name)
    return function_call(**arguments)


async def passed_on_later(function_name, function_call, arguments):
    return await function_call(**arguments)
"""
TOOLS = '''
import asyncio
import threading


def plain(word: str) -> str:
    """Repeat a word."""
    return f"{word} in the loop" if threading.current_thread() is threading.main_thread() else f"{word} in a thread"


async def waiting(word: str) -> str:
    """Repeat a word later."""
    await asyncio.sleep(0)
    return f"{word} awaited"
'''
RUNS = {
    "preHooks": ["checks.louder", "checks.friendlier", "checks.polite", "checks.fragile", "checks.Short"],
    "postHooks": [
        "checks.no_prices",
        "checks.discreet",
        "checks.sturdy",
        "checks.NoNames",
        "checks.signed",
        "checks.told",
    ],
}
HOOKS_OF_TOOLS = {
    "plain": ["calls.doubled"],
    "async": ["calls.waited"],
    "both": ["calls.doubled", "calls.waited"],
    "other": ["calls.waited", "calls.doubled"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an image has under its PYTHONPATH."""
    folder = tmp_path_factory.mktemp("own")
    for name, text in {
        "agentos_hooks/checks": CHECKS,
        "agentos_hooks/calls": CALLS,
        "agentos_tools/words": TOOLS,
    }.items():
        (path := folder / f"{name}.py").parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(scope="module")
def shop(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, database: Database, model: Process
) -> Iterator[Process]:
    """A runtime whose agents, team and workflow have hooks."""
    tools = [{"toolkit": "words"}]
    callers = [
        agent(model.url, id=name, tools=tools, toolHooks=hooks, addHistoryToContext=False)
        for name, hooks in HOOKS_OF_TOOLS.items()
    ]
    support = agent(model.url, tools=[], addHistoryToContext=True, storeEvents=True, **RUNS)
    member = agent(model.url, id="member", role="Answers.", tools=[], postHooks=["checks.no_prices"])
    around = {"toolHooks": ["calls.passed_on", "calls.passed_on_later"]}
    desk = {"id": "desk", "model": member["model"], "members": ["member"], **RUNS, **around}
    waits = [{"toolkit": "words", "requiresConfirmation": ["plain", "waiting"]}]
    callers.append(agent(model.url, id="careful", tools=waits, toolHooks=["calls.doubled"], **RUNS))
    steps = [{"name": "ask", "agent": "support"}]
    place = tmp_path_factory.mktemp("runtime")
    write_spec(place, support, member, *callers, teams=[desk], workflows=[{"id": "story", "steps": steps}])
    process = start_runtime(place, pod_environ(place, database, PYTHONPATH=str(folder)), anew)
    process.wait_until("/readyz")
    yield process
    process.stop()


@pytest.fixture
def client(shop: Process) -> Iterator[httpx.Client]:
    """Alice."""
    headers = {"Authorization": f"Bearer {make_token(scopes=SCOPES)}"}
    with httpx.Client(base_url=shop.url, headers=headers, timeout=60) as client:
        yield client


def ask(client: httpx.Client, message: str, path: str = "agents/support", **form: str) -> httpx.Response:
    return client.post(f"/{path}/runs", data={"message": message, "stream": "false", **form})


def streamed(client: httpx.Client, message: str, path: str = "agents/support", **form: str) -> list[dict[str, Any]]:
    """All events of a stream."""
    data = {"message": message, "stream": "true", **form}
    with client.stream("POST", f"/{path}/runs", data=data) as answer:
        assert answer.status_code == 200
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]


def stored(database: Database, run: str) -> str:
    """All that is kept of a run."""
    return json.dumps(database.rows(f"SELECT * FROM agno_runs WHERE run_id = '{run}'"), default=str)


COMPONENTS = pytest.mark.parametrize("path", ["agents/support", "teams/desk"])


@COMPONENTS
def test_hooks_change_the_question_and_the_answer(client: httpx.Client, path: str) -> None:
    answer = ask(client, "hello", path)
    assert answer.status_code == 200, answer.text
    assert answer.json()["content"] == f"You said: HELLO from alice to {path.partition('/')[2]} Yours, the shop"


REFUSED = {
    "a question by a function": ("damn", "polite: mind your language"),
    "a question by a guardrail": ("x" * 401, "Short: say it in 400 letters"),
    "an answer by a function": ("12 EUR", "no_prices: an answer names no prices"),
    "an answer by a guardrail": ("Rumpelstiltskin", "NoNames: nobody is named"),
}
PARTS = pytest.mark.parametrize(("message", "said"), REFUSED.values(), ids=REFUSED.keys())


@COMPONENTS
@PARTS
def test_a_refusal_tells_the_hook_and_its_words(client: httpx.Client, path: str, message: str, said: str) -> None:
    answer = ask(client, message, path)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == f"Refused by the hook checks.{said}"


@COMPONENTS
@PARTS
def test_a_stream_ends_with_the_refusal(client: httpx.Client, path: str, message: str, said: str) -> None:
    events = streamed(client, message, path)
    assert events[-1]["event"] in {"RunError", "TeamRunError"}
    assert events[-1]["content"] == f"Refused by the hook checks.{said}"
    assert not [event for event in events if event["event"] in {"RunCompleted", "TeamRunCompleted"}]


def test_a_stream_of_a_changed_answer_ends_with_what_the_hook_made_of_it(client: httpx.Client) -> None:
    events = streamed(client, "hello")
    last = next(event for event in events if event["event"] == "RunCompleted")
    assert last["content"].endswith("Yours, the shop")


def test_a_refused_question_never_reaches_the_model(client: httpx.Client) -> None:
    events = {event["event"] for event in streamed(client, "damn")}
    assert "PreHookStarted" in events
    assert not {"ModelRequestStarted", "RunContent"} & events


@pytest.mark.parametrize("stream", [False, True], ids=["at once", "as a stream"])
@COMPONENTS
def test_a_refused_answer_is_not_kept(client: httpx.Client, database: Database, path: str, stream: bool) -> None:
    first = ask(client, "the word is pancake", path).json()
    session = {"session_id": first["session_id"]}
    question = "system"  # answered with words that the question does not hold
    ids = streamed(client, question, path, **session)[-1] if stream else ask(client, question, path, **session).json()
    kept = stored(database, ids["run_id"])
    assert "I was told" not in kept
    assert "Refused by the hook checks.discreet" in kept
    seen = client.get(f"/sessions/{first['session_id']}/runs", params={"type": path.partition("s/")[0]})
    assert "I was told" not in seen.text
    assert "pancake" in seen.text, "what was said before is still there"


@pytest.mark.parametrize(("message", "hook"), [("glass", "fragile"), ("stone", "sturdy")])
@COMPONENTS
def test_a_hook_that_fails_lets_nothing_through(
    client: httpx.Client, shop: Process, path: str, message: str, hook: str
) -> None:
    answer = ask(client, message, path)
    assert answer.status_code == 502, answer.text
    assert answer.json()["detail"] == f"The run ended with an error of the hook checks.{hook}."
    assert "what only the log may tell" not in answer.text
    assert "what only the log may tell" in shop.output


def test_a_hook_that_fails_ends_a_stream(client: httpx.Client) -> None:
    assert streamed(client, "glass")[-1]["content"] == "The run ended with an error of the hook checks.fragile."


def test_a_run_in_the_background_is_judged_too(client: httpx.Client, database: Database) -> None:
    accepted = ask(client, "12 EUR", background="true")
    assert accepted.status_code == 202, accepted.text
    run = accepted.json()["run_id"]
    ended(database, run, "ERROR")
    assert "Refused by the hook checks.no_prices" in stored(database, run)
    assert "You said" not in stored(database, run)


def test_a_run_in_the_background_has_the_answer_that_a_hook_made(client: httpx.Client, database: Database) -> None:
    run = ask(client, "hello", background="true").json()["run_id"]
    ended(database, run, "COMPLETED")
    assert "HELLO from alice to support Yours, the shop" in stored(database, run)


def ended(database: Database, run: str, status: str) -> None:
    """Wait for a run's status; fails after a minute."""
    deadline = time.monotonic() + 60
    while (now := dict(database.rows("SELECT run_id, status FROM agno_runs")).get(run)) != status:
        assert time.monotonic() < deadline, now
        time.sleep(0.05)


def test_a_hook_for_afterwards_sees_the_run_and_refuses_nothing(client: httpx.Client, shop: Process) -> None:
    answer = ask(client, "hello")
    assert answer.status_code == 200
    deadline = time.monotonic() + 60
    while f"told about {answer.json()['run_id']}" not in shop.output:
        assert time.monotonic() < deadline, shop.output
        time.sleep(0.05)


def test_a_step_of_a_workflow_has_its_agents_hooks(client: httpx.Client) -> None:
    assert "HELLO from alice to support Yours, the shop" in ask(client, "hello", "workflows/story").text
    refused = ask(client, "12 EUR", "workflows/story")
    assert refused.status_code == 502, refused.text
    assert "You said" not in refused.text


def test_a_leader_does_not_read_what_a_members_hook_has_refused(client: httpx.Client, database: Database) -> None:
    task = json.dumps({"member_id": "member", "task": "say 12 EUR"})
    answer = ask(client, f"call delegate_task_to_member {task}", "teams/desk")
    assert "Refused by the hook checks.no_prices" in answer.text
    assert "You said: say" not in answer.text


def test_hooks_stand_around_what_a_leader_asks_of_its_members(client: httpx.Client, shop: Process) -> None:
    task = json.dumps({"member_id": "member", "task": "say nothing"})
    answer = ask(client, f"call delegate_task_to_member {task}", "teams/desk")
    assert "You said: say nothing" in answer.json()["content"]
    assert "passed on delegate_task_to_member" in shop.output


CALLED = {
    ("plain", "plain"): "<plain plain: x in a thread>",
    ("plain", "waiting"): "<plain waiting: x awaited>",
    ("async", "plain"): "<async plain: x in a thread>",
    ("async", "waiting"): "<async waiting: x awaited>",
    ("both", "plain"): "<plain plain: <async plain: x in a thread>>",
    ("both", "waiting"): "<plain waiting: <async waiting: x awaited>>",
    ("other", "plain"): "<async plain: <plain plain: x in a thread>>",
    ("other", "waiting"): "<async waiting: <plain waiting: x awaited>>",
}


@pytest.mark.parametrize(("hooks", "tool"), CALLED.keys())
def test_hooks_stand_around_a_call(client: httpx.Client, hooks: str, tool: str) -> None:
    answer = ask(client, f'call {tool} {{"word": "x"}}', f"agents/{hooks}")
    assert answer.json()["content"] == f"The tool answered: {CALLED[hooks, tool]}"


def test_a_hook_may_answer_in_the_place_of_the_tool(client: httpx.Client) -> None:
    answer = ask(client, 'call plain {"word": "forbidden"}', "agents/async")
    assert answer.json()["content"] == "The tool answered: not for you"


@pytest.mark.parametrize(("tool", "where"), [("plain", "in a thread"), ("waiting", "awaited")])
def test_hooks_come_to_a_call_when_a_person_has_confirmed_it(client: httpx.Client, tool: str, where: str) -> None:
    answer = confirmed(client, f'call {tool} {{"word": "x"}}')
    assert answer.json()["content"] == f"The tool answered: <plain {tool}: x {where}> Yours, the shop"


def test_what_comes_of_a_confirmed_call_is_judged(client: httpx.Client) -> None:
    answer = confirmed(client, 'call plain {"word": "12 EUR"}')
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"] == "Refused by the hook checks.no_prices: an answer names no prices"


def confirmed(client: httpx.Client, message: str) -> httpx.Response:
    """The answer once its one call was said yes to."""
    paused = ask(client, message, "agents/careful").json()
    assert paused["status"] == "PAUSED"
    tools = json.dumps([{**paused["tools"][0], "confirmed": True}])
    path = f"/agents/careful/runs/{paused['run_id']}/continue"
    return client.post(path, data={"tools": tools, "session_id": paused["session_id"], "stream": "false"})


def test_a_hook_that_the_image_has_not_ends_the_process_with_what_to_do(
    start: Callable[..., Process], an_agent: Callable[..., dict[str, Any]], folder: Path
) -> None:
    process = start(an_agent(preHooks=["checks.polit"]), PYTHONPATH=str(folder))
    assert process.process.wait(60) == 78
    assert process.last_words() == {
        "reason": "UnknownHook",
        "message": "spec.agents[0].preHooks[0]: 'checks.polit': agentos_hooks.checks has no 'polit'"
        " (did you mean 'polite'?)",
    }
