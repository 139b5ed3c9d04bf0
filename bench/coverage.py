"""The part `coverage`: how much of agno a document reaches in the environment of this interpreter.

It has the packages of the image `agentos-runtime`.

The baseline of each figure is all that agno has. `python -m local.image_contents` counts both images from inside.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

from agno.agent import Agent
from agno.models.utils import MODEL_PROVIDER_CLASSES
from agno.team import Team
from agno.tools.toolkit import Toolkit
from agno.workflow import Workflow

from agentos_runtime.agents.toolkits import compile_toolkit
from agentos_runtime.errors import StartupError
from agentos_spec import SpecError, ToolkitSpec
from agentos_spec.catalogue import load_catalogue
from agentos_spec.parameters import AGENT, TEAM, WORKFLOW
from bench import circumstances
from bench.catalog import by_name
from bench.results import Entry, entry
from local.imagefiles.importable import failures

ELSEWHERE = frozenset(
    {
        *("id", "name", "model", "tools", "pre_hooks", "post_hooks", "tool_hooks", "members", "steps", "team"),
        *("workflow", "knowledge", "human_review"),
    }
)
"""Parameters that have a field of another form: `pre_hooks` are guardrails too."""
CLASSES: Mapping[type, Mapping[str, Any]] = {Agent: AGENT, Team: TEAM, Workflow: WORKFLOW}
_NAMES = {"include_tools", "exclude_tools", "instructions"}
"""Options of every toolkit, which are no credentials."""
_WORD = "https://x.example"
"""Stands for every credential and address: constructors want one, and do not try it."""


def measure() -> tuple[list[Entry], dict[str, Any]]:
    """All of the part's entries, and the names behind them."""
    names = load_catalogue().toolkits
    with _quietly():
        providers = failures(MODEL_PROVIDER_CLASSES)
        packages = failures({name: (f"agno.tools.{name}", "") for name in names})
        refused = {name: why for name in sorted(names) if name not in packages and (why := _refusal(name))}
    found = {f"parameters-{cls.__name__.lower()}": parameters(cls) for cls in CLASSES} | {
        "providers-importable": (len(MODEL_PROVIDER_CLASSES) - len(providers), len(MODEL_PROVIDER_CLASSES)),
        "toolkits-importable": (len(names) - len(packages), len(names)),
        "toolkits-constructible": (len(names) - len(packages) - len(refused), len(names)),
    }
    at = circumstances.now({"agno": version("agno")})
    entries = [entry(by_name(name), ours, every, at) for name, (ours, every) in found.items()]
    details = {"providers_without_package": sorted(providers), "toolkits_without_package": sorted(packages)}
    return entries, {**details, "toolkits_refused": refused}


def parameters(cls: type) -> tuple[int, int]:
    """How many parameters of agno's constructor a document sets, and how many there are."""
    every = inspect.signature(cls).parameters.keys()
    return len(every & (CLASSES[cls].keys() | ELSEWHERE)), len(every)


def _refusal(name: str) -> str | None:
    """Why a toolkit whose packages are there cannot be made from a document; None where it can."""
    problem = None
    ways: list[Callable[[], dict[str, str]]] = [lambda: {}, lambda: _words(name)]
    for options in ways:
        try:
            compile_toolkit(ToolkitSpec(name, options(), path="tool"))
        except (SpecError, StartupError) as refused:
            problem = refused.message
        else:
            return None
    return problem


def _words(name: str) -> dict[str, str]:
    """A word for each option that takes text and has no default."""
    known = load_catalogue().toolkit(name).options
    module = importlib.import_module(f"agno.tools.{name}")
    found: dict[str, str] = {}
    for cls in vars(module).values():
        if inspect.isclass(cls) and issubclass(cls, Toolkit):
            for option, parameter in inspect.signature(cls).parameters.items():
                takes_text = "str" in str(parameter.annotation) and "bool" not in str(parameter.annotation)
                if option in known - _NAMES and takes_text and parameter.default in (None, inspect.Parameter.empty):
                    found[option] = _WORD
    return found


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Many modules warn, log and print about packages and keys that are not there."""
    nothing = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
        warnings.simplefilter("ignore")
        logging.disable()
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
