"""What is called before the model sees a question and after it has answered: guardrails, and hooks of an image's own.

agno goes on where one of them fails, and only logs it, so that a guard that breaks would let everything through. Here a
run ends with whatever one of them raises, and says whose fault it was. An answer that is refused is no part of the run
any more: neither of what its caller gets, nor of what is stored.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from agno.exceptions import InputCheckError, OutputCheckError
from agno.hooks.decorator import HOOK_RUN_IN_BACKGROUND_ATTR

from agentos_runtime.errors import FAILED_IN, REFUSED_BY

_log = logging.getLogger(__name__)

Hook = Callable[..., Any]
_GENERATED = ("images", "videos", "audio", "files", "response_audio", "citations", "references", "followups")
_THOUGHT = ("reasoning_content", "reasoning_steps", "reasoning_messages", "model_provider_data")
_OF_MESSAGE = ("reasoning_content", "redacted_reasoning_content", "provider_data", "citations", "compressed_content")
_MEDIA = ("audio_output", "image_output", "video_output", "file_output")


def guarded(called: str, function: Hook, passed: Collection[str]) -> Hook:
    """The hook that agno is given for a function.

    Args:
        called: what a refusal says it is, e.g. `hook checks.no_prices`.
        function: takes only arguments that are `passed`, and others that have a default. Plain ones get a thread.
        passed: names of agno's arguments that it may be given. Not what else agno hands on, which a caller may say.
    """
    wanted = frozenset(passed) & accepted(function, passed)

    async def hook(**given: Any) -> None:
        output = given.get("run_output")
        try:
            await _call(function, {name: given[name] for name in wanted & given.keys()})
        except (InputCheckError, OutputCheckError) as error:
            said = f"{REFUSED_BY}{called}: {error.message}"
            _withhold(output, said)
            refusal = OutputCheckError if isinstance(error, OutputCheckError) else InputCheckError
            raise refusal(said, error.check_trigger) from error
        except Exception as error:
            _log.exception("the %s failed", called)
            said = f"{FAILED_IN}{called}."
            _withhold(output, said)
            raise (InputCheckError if output is None else OutputCheckError)(said) from error

    return _named(hook, called)


def afterwards(called: str, function: Hook, passed: Collection[str]) -> Hook:
    """The same of a function that its author has marked to run when the answer is on its way: it can refuse nothing."""
    wanted = frozenset(passed) & accepted(function, passed)

    async def hook(**given: Any) -> None:
        try:
            await _call(function, {name: given[name] for name in wanted & given.keys()})
        except Exception:
            _log.exception("the %s failed", called)

    setattr(hook, HOOK_RUN_IN_BACKGROUND_ATTR, True)
    return _named(hook, called)


def accepted(function: Hook, passed: Collection[str]) -> frozenset[str]:
    """Names that a function takes: all that are `passed` where it has `**`."""
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return frozenset(passed)
    return frozenset(each.name for each in parameters)


async def _call(function: Hook, arguments: Mapping[str, Any]) -> None:
    """A plain function may wait for another server, and all others with it if it had no thread of its own."""
    if inspect.iscoroutinefunction(function):
        await function(**arguments)
        return
    answer = await asyncio.to_thread(function, **arguments)
    if isinstance(answer, Awaitable):
        await answer


def _named(hook: Hook, called: str) -> Hook:
    """Events of a stream tell a hook by its `__name__`."""
    hook.__name__ = called.rpartition(" ")[2]
    return hook


def _withhold(output: Any, said: str) -> None:
    """Put the refusal in the place of an answer, of what the model thought and of the messages that it wrote.

    What tools and members of a team have answered stays; messages of the history do as well. `output` is None before
    there is an answer.
    """
    if output is None:
        return
    output.content, output.content_type = said, "str"
    _clear(output, (*_GENERATED, *_THOUGHT))
    output.events = [each for each in output.events or [] if getattr(each, "content", None) is None]
    for message in output.messages or []:
        if message.role == "assistant" and not message.from_history:
            message.content = None if message.tool_calls else said
            _clear(message, (*_OF_MESSAGE, *_MEDIA))


def _clear(holder: Any, names: Collection[str]) -> None:
    for name in names:
        if getattr(holder, name, None) is not None:
            setattr(holder, name, None)
