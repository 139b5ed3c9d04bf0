"""Hooks of an image's own: `preHooks: [checks.no_prices]` is the function no_prices of the module agentos_hooks.checks.

Only what a module of that package defines can be named, because a document must not choose among everything that can be
imported in the image. Whatever could keep a hook from being called is found out here, before anything is served.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from agno.guardrails import BaseGuardrail
from agno.utils.hooks import should_run_hook_in_background

from agentos_runtime.agents.guardrails import compile_guardrail
from agentos_runtime.agents.guards import Hook, afterwards, guarded
from agentos_runtime.agents.modules import exists
from agentos_runtime.agents.tool_hooks import NEXT, around
from agentos_runtime.errors import Reason, StartupError
from agentos_spec import AgentSpec, HookSpec, TeamSpec
from agentos_spec.errors import did_you_mean
from agentos_spec.known import no_hooks

_OWN = "agentos_hooks"
OF_RUNS = frozenset({"run_context", "session", "user_id", "metadata", "debug_mode"})
OF_CALLS = frozenset({"run_context", "name", "function_name", "args", "arguments", "agent", "team"}) | NEXT
"""What agno hands to a hook, by name; it gives a tool of an agent that is a member of a team both."""


def compile_hooks(spec: AgentSpec | TeamSpec) -> dict[str, list[Hook]]:
    """All of an agent or a team under agno's names, guardrails first; those that there are.

    Raises:
        SpecError: a guardrail has no such option, or the image has no hooks.
        StartupError: it has no such hook, or one that agno could not call.
    """
    runs = OF_RUNS | {"team" if isinstance(spec, TeamSpec) else "agent"}
    before, after = runs | {"run_input"}, runs | {"run_output"}
    guardrails = [compile_guardrail(guardrail) for guardrail in spec.guardrails]
    hooks = {
        "pre_hooks": [*guardrails, *(_of_run(hook, before) for hook in spec.pre_hooks)],
        "post_hooks": [_of_run(hook, after) for hook in spec.post_hooks],
        "tool_hooks": [_of_calls(hook) for hook in spec.tool_hooks],
    }
    return {name: found for name, found in hooks.items() if found}


def _of_run(spec: HookSpec, passed: frozenset[str]) -> Hook:
    module = _module(spec)
    found = _member(spec, module)
    if _is_own_guardrail(found):
        found = _made(spec, found)
    if isinstance(found, BaseGuardrail):
        found = found.async_check
    elif not _is_own_function(found):
        raise _refused(spec, f"is neither a function nor a guardrail that {module.__name__} defines; make it one")
    _check_arguments(spec, found, passed)
    wrap = afterwards if should_run_hook_in_background(found) else guarded
    return wrap(f"hook {spec.name}", found, passed)


def _of_calls(spec: HookSpec) -> Hook:
    module = _module(spec)
    found = _member(spec, module)
    if not _is_own_function(found):
        raise _refused(spec, f"is no function that {module.__name__} defines; make it one")
    _check_arguments(spec, found, OF_CALLS)
    return around(found)


def _module(spec: HookSpec) -> ModuleType:
    """Import the hook's module; a SpecError where the image has no hooks at all."""
    name, _, _ = spec.name.partition(".")
    module = f"{_OWN}.{name}"
    try:
        if exists(module):
            return importlib.import_module(module)
        known = [each.name for each in pkgutil.iter_modules(importlib.import_module(_OWN).__path__)]
    except ModuleNotFoundError as error:
        if error.name != _OWN:
            raise _not_imported(spec, module, error) from error
        raise no_hooks(spec) from None
    except Exception as error:  # a module of the tenant's own may fail in any way
        raise _not_imported(spec, module, error) from error
    hint = did_you_mean(name, known) or f"; it has {', '.join(known) or 'none'}"
    raise _refused(spec, f"the package {_OWN} of this image has no module {name!r}{hint}")


def _not_imported(spec: HookSpec, module: str, error: Exception) -> StartupError:
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return _refused(spec, f"{module} cannot be imported: {text}; correct it in your image")


def _member(spec: HookSpec, module: ModuleType) -> Any:
    name = spec.name.partition(".")[2]
    if name in vars(module):
        return vars(module)[name]
    known = [each for each, value in vars(module).items() if not each.startswith("_") and _is_hook(value)]
    hint = did_you_mean(name, known) or f"; it has {', '.join(known) or 'none'}"
    raise _refused(spec, f"{module.__name__} has no {name!r}{hint}")


def _is_hook(value: Any) -> bool:
    return _is_own_function(value) or _is_own_guardrail(value) or isinstance(value, BaseGuardrail)


def _is_own_function(value: Any) -> bool:
    return inspect.isfunction(value) and _is_own(value)


def _is_own_guardrail(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, BaseGuardrail) and _is_own(value)


def _is_own(value: Any) -> bool:
    """Not what a module has borrowed from elsewhere: the image's builder did not mean to offer that."""
    return value.__module__.partition(".")[0] == _OWN  # type: ignore[no-any-return]


def _made(spec: HookSpec, guardrail: type[BaseGuardrail]) -> BaseGuardrail:
    try:
        return guardrail()
    except Exception as error:  # a constructor may refuse in any way it likes
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        problem = f"cannot be made without arguments: {text}; correct it in your image, or name an object of it"
        raise _refused(spec, problem) from error


def _check_arguments(spec: HookSpec, function: Callable[..., Any], passed: frozenset[str]) -> None:
    """That agno can call it, and that calling it does something."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise _refused(spec, "has a yield, so that calling it does nothing; return instead")
    for each in inspect.signature(function).parameters.values():
        if each.kind is each.POSITIONAL_ONLY:
            raise _refused(spec, f"takes {each.name!r} by its place, and agno gives all by name; remove the '/'")
        variable = each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        if each.default is each.empty and not variable and each.name not in passed:
            raise _refused(spec, f"wants {each.name!r}{_instead(each.name, passed)}")


def _instead(name: str, passed: Iterable[str]) -> str:
    return did_you_mean(name, sorted(passed)) or f", which nobody gives it here; there are {', '.join(sorted(passed))}"


def _refused(spec: HookSpec, problem: str) -> StartupError:
    return StartupError(Reason.UNKNOWN_HOOK, f"{spec.path}: {spec.name!r}: {problem}")
