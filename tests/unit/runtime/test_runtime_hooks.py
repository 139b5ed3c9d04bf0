"""Hooks of an image's own: what can be named, what is refused before a pod serves, and what ends a run."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from agno.agent import Agent
from agno.db.sqlite import AsyncSqliteDb
from agno.exceptions import CheckTrigger, InputCheckError, OutputCheckError
from agno.models.message import Message
from agno.run.agent import RunInput, RunOutput

from agentos_runtime.agents.compile import compile_components
from agentos_runtime.agents.guards import guarded
from agentos_runtime.agents.hooks import compile_hooks
from agentos_runtime.agents.tool_hooks import around
from agentos_runtime.errors import StartupError
from agentos_spec import AgentSpec, HookSpec, ModelSpec, TeamSpec, parse_spec

MODEL = ModelSpec("openai-chat", "gpt-4o-mini")
FIELDS = ("pre_hooks", "post_hooks", "tool_hooks")
GIVEN = {"pre_hooks": "run_input", "post_hooks": "run_output", "tool_hooks": "arguments"}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package of an image's own hooks."""
    package = tmp_path / "agentos_hooks"
    package.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "agentos_hooks"]:
        del sys.modules[name]


def compiled(name: str, field: str = "pre_hooks", cls: type[AgentSpec] | type[TeamSpec] = AgentSpec) -> Any:
    """The one hook of an agent, or of a team."""
    given: dict[str, Any] = {field: (HookSpec(name, "spec.x[0]"),)}
    given |= {"members": ("x",)} if cls is TeamSpec else {}
    spec = cls(id="a", model=MODEL, path="spec.agents[0]", **given)
    (hook,) = compile_hooks(spec)[field]
    return hook


def refusal(name: str, field: str = "pre_hooks", cls: type[AgentSpec] | type[TeamSpec] = AgentSpec) -> str:
    """Why it cannot be."""
    with pytest.raises(StartupError) as refused:
        compiled(name, field, cls)
    assert refused.value.reason == "UnknownHook"
    assert refused.value.message.startswith(f"spec.x[0]: {name!r}: ")
    return refused.value.message


GOOD = """
from functools import wraps
from agno.guardrails import BaseGuardrail, PIIDetectionGuardrail

def plain({given}, limit=3): ...
async def waiting({given}, **others): ...
def everything(**given): ...

class Own(BaseGuardrail):
    def check(self, {given}): ...
    async def async_check(self, {given}): ...
own = Own()
agnos = PIIDetectionGuardrail(enable_email_check=False)

def decorated(function):
    @wraps(function)
    def inner(**given):
        return function(**given)
    return inner

@decorated
def wrapped({given}): ...
"""


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", ["plain", "waiting", "everything", "wrapped"])
def test_a_function_of_the_package_is_a_hook(own: Path, field: str, name: str) -> None:
    (own / "good.py").write_text(GOOD.format(given=GIVEN[field]))
    assert callable(compiled(f"good.{name}", field))


@pytest.mark.parametrize("field", FIELDS[:2])
@pytest.mark.parametrize("name", ["Own", "own"])
def test_a_guardrail_of_the_package_is_a_hook_before_and_after(own: Path, field: str, name: str) -> None:
    (own / "good.py").write_text(GOOD.format(given=GIVEN[field]))
    assert compiled(f"good.{name}", field).__name__ == f"good.{name}"


def test_a_guardrail_of_agnos_that_the_image_configures_is_a_hook(own: Path) -> None:
    (own / "good.py").write_text(GOOD.format(given="run_input"))
    assert compiled("good.agnos").__name__ == "good.agnos"


def test_a_package_with_an_init_is_as_good_as_one_without(own: Path) -> None:
    (own / "__init__.py").touch()
    (own / "good.py").write_text(GOOD.format(given="run_input"))
    assert callable(compiled("good.plain"))


BAD = """
from os import system
from subprocess import Popen
from agno.guardrails import BaseGuardrail, PIIDetectionGuardrail

LIMIT = 3
def polite(run_input): ...
def misspelt(run_inputt): ...
def of_teams(run_input, team): ...
def of_answers(run_output): ...
def needs_more(run_input, threshold): ...
def by_place(run_input, /): ...
def yields(run_input):
    yield
async def yields_too(run_input):
    yield
class Plain:
    def __call__(self, run_input): ...
plain = Plain()
class Half(BaseGuardrail):
    def check(self, run_input): ...
class Wants(BaseGuardrail):
    def __init__(self, limit): ...
    def check(self, run_input): ...
    async def async_check(self, run_input): ...
class OfAnswers(BaseGuardrail):
    def check(self, run_output): ...
    async def async_check(self, run_output): ...
"""
REFUSED = {
    "a module that is not there": ("bda.polite", "has no module 'bda' (did you mean 'bad'?)"),
    "a module that nothing resembles": ("prices.polite", "has no module 'prices'; it has bad"),
    "a function that is not there": ("bad.polit", "agentos_hooks.bad has no 'polit' (did you mean 'polite'?)"),
    "a function that nothing resembles": ("bad.zzz", "agentos_hooks.bad has no 'zzz'; it has polite, misspelt"),
    "a number": ("bad.LIMIT", "is neither a function nor a guardrail that agentos_hooks.bad defines; make it one"),
    "a function of elsewhere": ("bad.system", "is neither a function nor a guardrail"),
    "a class of elsewhere": ("bad.Popen", "is neither a function nor a guardrail"),
    "a guardrail of elsewhere": ("bad.PIIDetectionGuardrail", "is neither a function nor a guardrail"),
    "another class": ("bad.Plain", "is neither a function nor a guardrail"),
    "another object": ("bad.plain", "is neither a function nor a guardrail"),
    "an argument that is misspelt": ("bad.misspelt", "wants 'run_inputt' (did you mean 'run_input'?)"),
    "an argument of a team's hooks": ("bad.of_teams", "wants 'team', which nobody gives it here; there are agent, "),
    "an argument of the other list": ("bad.of_answers", "wants 'run_output'"),
    "an argument that nobody gives": ("bad.needs_more", "wants 'threshold', which nobody gives it here; there are ag"),
    "an argument by its place": ("bad.by_place", "takes 'run_input' by its place, and agno gives all by name"),
    "a generator": ("bad.yields", "has a yield, so that calling it does nothing; return instead"),
    "an asynchronous generator": ("bad.yields_too", "has a yield"),
    "half a guardrail": ("bad.Half", "cannot be made without arguments: TypeError: Can't instantiate abstract class"),
    "a guardrail with arguments": ("bad.Wants", "cannot be made without arguments: TypeError"),
    "a guardrail of answers": ("bad.OfAnswers", "wants 'run_output'"),
}


@pytest.mark.parametrize(("name", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_hook_is_refused_with_what_to_do(own: Path, name: str, words: str) -> None:
    (own / "bad.py").write_text(BAD)
    assert words in refusal(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bad.OfAnswers", "is no function that agentos_hooks.bad defines"),
        ("bad.needs_more", "wants 'run_input' (did you mean 'run_context'?)"),
        ("bad.yields", "has a yield"),
    ],
)
def test_what_is_no_hook_of_tools_is_refused(own: Path, name: str, words: str) -> None:
    (own / "bad.py").write_text(BAD)
    assert words in refusal(name, "tool_hooks")


def test_a_hook_of_an_agent_is_none_of_a_team(own: Path) -> None:
    (own / "who.py").write_text("def agents(agent): ...\ndef teams(team): ...\ndef both(agent=None, team=None): ...")
    assert "wants 'agent'" in refusal("who.agents", cls=TeamSpec)
    assert "wants 'team'" in refusal("who.teams")
    for name, cls in (("agents", AgentSpec), ("teams", TeamSpec), ("both", AgentSpec), ("both", TeamSpec)):
        assert callable(compiled(f"who.{name}", cls=cls))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import not_in_this_image", "ModuleNotFoundError: No module named 'not_in_this_image'"),
        ("from json import nothing", "ImportError: cannot import name 'nothing'"),
        ("raise OSError('no such shop')", "OSError: no such shop"),
        ("def (", "SyntaxError"),
    ],
)
def test_a_module_that_does_not_import_says_why(own: Path, text: str, words: str) -> None:
    (own / "broken.py").write_text(text)
    assert f"agentos_hooks.broken cannot be imported: {words}" in refusal("broken.polite")


def test_a_package_that_does_not_import_is_not_taken_for_absent(own: Path) -> None:
    (own / "__init__.py").write_text("import not_in_this_image")
    assert "cannot be imported: ModuleNotFoundError: No module named 'not_in_this_image'" in refusal("checks.polite")


async def test_guardrails_see_a_question_before_hooks_do(own: Path) -> None:
    (own / "checks.py").write_text("def polite(run_input): ...")
    document = {
        "kind": "AgentDeployment",
        "metadata": {"name": "x"},
        "spec": {
            "agents": [
                {
                    "id": "a",
                    "model": {"id": "openai-chat:gpt-4o-mini"},
                    "preHooks": ["checks.polite"],
                    "guardrails": [{"guardrail": "pii_detection"}],
                }
            ],
            "workflows": [{"id": "w", "steps": [{"name": "s", "agent": "a"}]}],
        },
    }
    made = compile_components(parse_spec(document), lambda *_: "key", AsyncSqliteDb())
    step: Any = made.workflows[0].steps
    for place in (made.agents[0], step[0].agent):
        assert isinstance(place, Agent)
        hooks: list[Any] = place.pre_hooks or []
        assert [hook.__name__ for hook in hooks] == ["pii_detection", "checks.polite"]
        assert (place.post_hooks, place.tool_hooks) == (None, None)


async def test_nothing_that_a_caller_says_becomes_an_argument() -> None:
    seen: dict[str, Any] = {}

    def check(run_input: Any, limit: int = 3, **others: Any) -> None:
        seen.update(run_input=run_input, limit=limit, **others)

    await guarded("hook x", check, ("run_input", "agent"))(run_input=1, agent=2, limit=99, additional_data="{}")
    assert seen == {"run_input": 1, "agent": 2, "limit": 3}


async def test_a_plain_hook_does_not_keep_others_waiting() -> None:
    threads: list[threading.Thread] = []
    await guarded("hook x", lambda: threads.append(threading.current_thread()), ())()
    assert threads[0] is not threading.current_thread()


async def test_a_coroutine_that_a_plain_hook_returns_is_awaited() -> None:
    async def refuse() -> None:
        raise InputCheckError("no", CheckTrigger.OFF_TOPIC)

    with pytest.raises(InputCheckError) as refused:
        await guarded("hook checks.x", lambda: refuse(), ())()  # noqa: PLW0108 - one that is not asynchronous itself
    assert (refused.value.message, refused.value.check_trigger) == (
        "Refused by the hook checks.x: no",
        CheckTrigger.OFF_TOPIC,
    )


async def test_a_guardrail_that_fails_is_no_guardrail_that_lets_pass() -> None:
    def unreachable(run_input: Any) -> None:
        raise OSError("api.openai.com with sk-secret")

    with pytest.raises(InputCheckError) as failed:
        await guarded("guardrail openai_moderation", unreachable, ("run_input",))(run_input=RunInput("hello"))
    assert str(failed.value) == "The run ended with an error of the guardrail openai_moderation."


async def test_of_a_refused_answer_nothing_stays() -> None:
    def refuse(run_output: Any) -> None:
        raise OutputCheckError("no")

    call = {"id": "1", "function": {"name": "look"}}
    output = RunOutput(
        content="answer",
        reasoning_content="thought of answer",
        followups=["more about answer"],
        model_provider_data={"x": "answer"},
        messages=[
            Message(role="assistant", content="earlier", from_history=True),
            Message(role="user", content="question"),
            Message(role="assistant", content="first answer", tool_calls=[call]),
            Message(role="tool", content="looked"),
            Message(role="assistant", content="answer", reasoning_content="thought of answer"),
        ],
        events=[SimpleNamespace(content="answer"), SimpleNamespace(content=None, event="RunStarted")],  # type: ignore
    )
    with pytest.raises(OutputCheckError):
        await guarded("hook x", refuse, ("run_output",))(run_output=output)
    said = "Refused by the hook x: no"
    assert [message.content for message in output.messages or []] == ["earlier", "question", None, "looked", said]
    assert output.messages is not None
    assert output.messages[2].tool_calls == [call], "what was called is not the answer"
    assert output.content == said
    assert len(output.events or []) == 1
    output.messages = [message for message in output.messages if message.content != said]
    assert "answer" not in str(output)


async def test_a_plain_hook_around_a_tool_that_waits_gets_its_answer() -> None:
    seen = contextvars.ContextVar("seen", default="nothing")
    seen.set("the caller's")

    async def tool(word: str) -> str:
        await asyncio.sleep(0)
        return f"{word} {seen.get()}"

    def hook(func: Callable[..., Any], args: dict[str, Any]) -> str:
        return f"<{func(**args)} {seen.get()}>"

    assert await around(hook)(func=tool, args={"word": "x"}) == "<x the caller's the caller's>"


async def test_a_tool_ends_with_the_run_that_has_called_it_through_a_hook() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def tool() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def hook(func: Callable[..., Any]) -> Any:
        return func()

    run = asyncio.ensure_future(around(hook)(func=tool))
    await begun.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await asyncio.wait_for(ended.wait(), 30)


async def test_a_hook_whose_run_has_ended_calls_no_tool_any_more() -> None:
    loop, begun, called = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    run_ended, hook_ended = threading.Event(), threading.Event()

    async def tool() -> None:
        called.set()

    def hook(func: Callable[..., Any]) -> Any:
        loop.call_soon_threadsafe(begun.set)
        run_ended.wait(30)
        try:
            func()
        finally:
            hook_ended.set()

    run = asyncio.ensure_future(around(hook)(func=tool))
    await begun.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    run_ended.set()
    assert await asyncio.to_thread(hook_ended.wait, 30)
    assert not called.is_set()


async def test_hooks_that_wait_for_their_tools_do_not_take_their_threads() -> None:
    """As many at once as there are threads in the loop's own pool, and more."""

    async def tool() -> str:
        return await asyncio.to_thread(lambda: "answer")

    def hook(func: Callable[..., Any]) -> Any:
        return func()

    answers = await asyncio.wait_for(asyncio.gather(*(around(hook)(func=tool) for _ in range(64))), 60)
    assert answers == ["answer"] * 64
