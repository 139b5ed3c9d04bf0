"""Toolkits: `toolkit: calculator` is the Toolkit class of the module agno.tools.calculator.

An image of a tenant's own brings its own as modules of the package agentos_tools, which come first: what agno is to
have under the same name one day changes nothing. Such a module may also do without a class and hold functions.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from agno.tools.function import Function
from agno.tools.toolkit import Toolkit

from agentos_runtime.agents.modules import exists
from agentos_runtime.agents.own import own_catalogue, refuse_first
from agentos_runtime.agents.packages import BUILD_ONE, IN_NO_IMAGE, USE_ALL
from agentos_runtime.errors import Reason, StartupError
from agentos_spec import SpecError, ToolkitSpec
from agentos_spec.catalogue import load_catalogue
from agentos_spec.known import toolkit_problems, unknown_function, unknown_toolkit

_OWN = "agentos_tools"
_PLACES = (_OWN, "agno.tools")


def compile_toolkit(spec: ToolkitSpec) -> Toolkit:
    """The toolkit of a spec; a SpecError where agno has none such, a StartupError where this image has not."""
    return toolkit_maker(spec)()


def toolkit_maker(spec: ToolkitSpec) -> Callable[[], Toolkit]:
    """What makes the toolkit for each place of an agent; looked for once, which takes as long as making it."""
    _check(spec)
    cls = _toolkit_class(_module(spec), spec)
    options = dict(spec.options)
    waits = [*spec.requires_confirmation, *spec.requires_approval]
    if waits and _accepts(cls, "requires_confirmation_tools"):
        options["requires_confirmation_tools"] = waits
    return partial(_made, cls, options, spec)


def _made(cls: type[Toolkit], options: Mapping[str, Any], spec: ToolkitSpec) -> Toolkit:
    try:
        toolkit = cls(**options)
    except ImportError as error:
        raise _package_missing(spec, error) from error
    except Exception as error:  # a toolkit's constructor may refuse its options in any way it likes
        raise StartupError(Reason.INVALID_TOOL_OPTIONS, _refused(spec, error)) from error
    for name in (*spec.requires_confirmation, *spec.requires_approval):
        _confirm(toolkit, name, spec)
    _record(toolkit)
    return toolkit


def _check(spec: ToolkitSpec) -> None:
    """What the catalogue knows of agno's toolkits; nothing of one that the image has in the place of agno's."""
    catalogue = own_catalogue()
    if catalogue and spec.name in catalogue.toolkits and not _is_own(spec.name):
        refuse_first(toolkit_problems(spec, catalogue))


def _is_own(name: str) -> bool:
    try:
        return exists(f"{_OWN}.{name}")
    except Exception:  # the image's package fails; that is told where it is imported
        return True


def _module(spec: ToolkitSpec) -> ModuleType:
    """Import the toolkit's module."""
    try:
        name = next((name for place in _PLACES if exists(name := f"{place}.{spec.name}")), None)
        if name is not None:
            return importlib.import_module(name)
    except ImportError as error:
        raise _package_missing(spec, error) from error
    except Exception as error:  # a module of the tenant's own may fail in any way
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        message = f"{spec.path}.toolkit: {spec.name!r} cannot be imported: {text}; correct it in your image"
        raise StartupError(Reason.UNKNOWN_TOOLKIT, message) from error
    raise _unknown(spec)


def _toolkit_class(module: ModuleType, spec: ToolkitSpec) -> type[Toolkit]:
    """The one Toolkit the module defines; where it defines several, the one named after the module."""
    own = {
        name: cls
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Toolkit) and cls is not Toolkit and _is_of(cls, module)
    }
    named = [cls for name, cls in own.items() if name.lower() == spec.name.replace("_", "") + "tools"]
    if named:
        return named[0]
    if len(own) == 1:
        return next(iter(own.values()))
    if not own and (functions := _public_functions(module)):
        return _toolkit_of(spec.name, functions)
    if module.__name__.partition(".")[0] == _OWN:
        message = f"{spec.path}.toolkit: {module.__name__} has neither a Toolkit nor a public function; add one"
        raise StartupError(Reason.UNKNOWN_TOOLKIT, message)
    raise _unknown(spec)


def _public_functions(module: ModuleType) -> list[Callable[..., Any] | Function]:
    """What an image's own module defines for models to call: its functions, with or without agno's `@tool`."""
    if module.__name__.partition(".")[0] != _OWN:
        return []
    return [
        each
        for name, each in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(each) or isinstance(each, Function))
        and getattr(getattr(each, "entrypoint", each), "__module__", None) == module.__name__
    ]


def _toolkit_of(name: str, functions: Sequence[Callable[..., Any] | Function]) -> type[Toolkit]:
    class Functions(Toolkit):
        def __init__(self, **options: Any) -> None:
            super().__init__(name, tools=functions, **options)

    return Functions


def _is_of(cls: type[Toolkit], module: ModuleType) -> bool:
    """Whether a module, or one inside it, defines a class rather than borrowing it."""
    return cls.__module__ == module.__name__ or cls.__module__.startswith(module.__name__ + ".")


def _accepts(cls: type[Toolkit], option: str) -> bool:
    """Whether the constructor takes an option, by name or by `**kwargs`."""
    parameters = inspect.signature(cls.__init__).parameters
    return option in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _confirm(toolkit: Toolkit, name: str, spec: ToolkitSpec) -> None:
    """Make sure that a function named in the spec exists and does wait.

    agno only logs an unknown name, which would leave the function the author meant unguarded.
    """
    functions = _functions(toolkit, name)
    if not functions:
        raise unknown_function(spec, name, {*toolkit.functions, *toolkit.async_functions})
    for function in functions:
        function.requires_confirmation = True


def _record(toolkit: Toolkit) -> None:
    """Have agno keep an approval of every call that waits for a yes: what `@approval` does for one's own functions."""
    for function in (*toolkit.functions.values(), *toolkit.async_functions.values()):
        if function.requires_confirmation:
            function.approval_type = function.approval_type or "required"


def _functions(toolkit: Toolkit, name: str) -> list[Function]:
    """The function under its name, in both of its forms."""
    return [f[name] for f in (toolkit.functions, toolkit.async_functions) if name in f]


def _unknown(spec: ToolkitSpec) -> SpecError:
    return unknown_toolkit(spec, load_catalogue().toolkits)


def _package_missing(spec: ToolkitSpec, error: ImportError) -> StartupError:
    elsewhere = spec.name in load_catalogue().toolkits and spec.name not in IN_NO_IMAGE and not _is_own(spec.name)
    return StartupError(
        Reason.TOOLKIT_PACKAGE_MISSING,
        f"{spec.path}.toolkit: {spec.name!r} needs a Python package that is not in this image"
        f" ({' '.join(str(error).split())}); {USE_ALL if elsewhere else BUILD_ONE}",
    )


def _refused(spec: ToolkitSpec, error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{spec.path}.options: toolkit {spec.name!r} refuses them: {text}; change or leave them out"
