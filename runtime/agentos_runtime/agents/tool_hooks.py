"""Hooks around calls of tools: agno calls them in a chain, each with the next one as an argument.

The chain is a plain one, in a thread, where the tool and all hooks are plain functions. Otherwise it runs in the event
loop, where agno would hand a plain hook something to be awaited instead of the tool's answer, and let a plain tool keep
everybody waiting. Both are mended here, so that a plain hook and a plain tool work as they are written.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial, wraps
from typing import Any

from agno.tools.function import Function
from agno.tools.toolkit import Toolkit

NEXT = frozenset({"function", "func", "function_call"})
"""Names under which a hook may take the tool, or the next hook."""
_NOT_PLAIN = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)


def around(hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook that agno is given for a function."""
    if inspect.iscoroutinefunction(hook):
        return hook

    @wraps(hook)
    def either(**given: Any) -> Any:
        in_loop = any(inspect.iscoroutinefunction(given[name]) for name in NEXT & given.keys())
        return _in_thread(hook, given) if in_loop else hook(**given)

    return either


async def _in_thread(hook: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """Call a plain hook, for which the tool is called in the loop while it waits.

    The thread is the call's own: in a pool, hooks that wait could take the places of the tools that they wait for.
    """
    loop = asyncio.get_running_loop()
    calls: list[asyncio.Task[Any] | None] = []
    ended = asyncio.Event()

    async def awaited(function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
        if ended.is_set():
            raise asyncio.CancelledError
        calls.append(asyncio.current_task())
        return await function(**given)

    def waiting(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda **given: asyncio.run_coroutine_threadsafe(awaited(function, given), loop).result()

    arguments = {name: waiting(value) if name in NEXT else value for name, value in given.items()}
    thread = ThreadPoolExecutor(1, "tool-hook")
    try:
        return await loop.run_in_executor(thread, partial(copy_context().run, partial(hook, **arguments)))
    finally:
        ended.set()
        for call in filter(None, calls):
            call.cancel()  # a tool goes on only while somebody waits for it
        thread.shutdown(wait=False)


def keep_out_of_the_loop(toolkits: Iterable[Toolkit], hooks: Iterable[Callable[..., Any]]) -> None:
    """Give plain tools a thread where a hook of theirs is asynchronous; elsewhere agno does."""
    if any(map(inspect.iscoroutinefunction, hooks)):
        for toolkit in toolkits:
            for function in toolkit.functions.values():
                _give_a_thread(function)


def _give_a_thread(function: Function) -> None:
    plain = function.entrypoint
    if not inspect.isroutine(plain) or any(kind(plain) for kind in _NOT_PLAIN):
        return

    @wraps(plain)
    async def in_thread(*args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(plain, *args, **kwargs)

    function.entrypoint = in_thread
