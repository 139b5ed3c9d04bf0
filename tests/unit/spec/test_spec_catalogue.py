"""The catalogue says of agno what agno says of itself, for all of it that can be imported here."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import io
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import agno.guardrails
import agno.tools
import pytest
from agno.models.utils import MODEL_PROVIDER_CLASSES
from agno.tools.toolkit import Toolkit

from agentos_runtime.agents.own import own_catalogue
from agentos_runtime.agents.packages import IN_NO_IMAGE
from agentos_runtime.agents.toolkits import _toolkit_class
from agentos_spec import SpecError, ToolkitSpec
from agentos_spec.catalogue import Catalogue, load_catalogue
from agentos_spec.guardrails import GUARDRAILS
from agentos_spec.values import misfit
from local.imagefiles.importable import failures

PAGE = (Path(__file__).parents[3] / "docs" / "agents.md").read_text()
CATALOGUE = load_catalogue()
OBJECTS = {"tools", "async_tools"}


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Many modules warn, and talk, about packages and keys that are not there."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def imported(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except (ImportError, AttributeError, ValueError, TypeError, OSError):
        return None  # a package that it needs is not here


def test_it_is_of_the_agno_that_the_runtime_has() -> None:
    assert CATALOGUE.agno == version("agno")
    assert own_catalogue() is not None


def test_it_has_every_provider_of_agno() -> None:
    assert set(CATALOGUE.providers) == MODEL_PROVIDER_CLASSES.keys()


def test_the_page_counts_what_the_small_image_can_import_and_a_missing_toolkit_names_one_that_exists() -> None:
    with quietly():
        providers = failures(MODEL_PROVIDER_CLASSES)
        missing = failures({name: (f"agno.tools.{name}", "") for name in CATALOGUE.toolkits})
    row = next(line for line in PAGE.splitlines() if line.startswith("| `agentos-runtime` |"))
    assert f"| {len(MODEL_PROVIDER_CLASSES) - len(providers)} of {len(MODEL_PROVIDER_CLASSES)} |" in row
    assert f"| {len(CATALOGUE.toolkits) - len(missing)} of {len(CATALOGUE.toolkits)} |" in row
    assert missing.keys() >= IN_NO_IMAGE
    assert f"Providers of agno {version('agno')}" in PAGE


def test_the_page_names_every_toolkit_that_no_image_has() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `agentos-runtime-all` |"))
    assert f"| {len(CATALOGUE.toolkits) - len(IN_NO_IMAGE)} of {len(CATALOGUE.toolkits)} |" in row
    assert all(f"`{name}`" in PAGE for name in IN_NO_IMAGE)


def test_a_model_takes_the_options_that_it_says() -> None:
    seen = 0
    for provider, (module, name) in MODEL_PROVIDER_CLASSES.items():
        with quietly():
            found: Any = imported(module)
            cls = getattr(found, name, None)
        if not dataclasses.is_dataclass(cls):
            continue
        seen += 1
        fields = {field.name for field in dataclasses.fields(cls) if field.init and not field.name.startswith("_")}
        assert CATALOGUE.model_options(provider).keys() == fields, provider
        assert CATALOGUE.model_class(provider) == name
    assert seen >= 40


def toolkits() -> Iterator[tuple[str, type[Toolkit] | None]]:
    """Every module of agno.tools that can be imported, with its toolkit by the runtime's own rule."""
    import pkgutil  # noqa: PLC0415 - here alone

    for module in pkgutil.iter_modules(agno.tools.__path__):
        with quietly():
            found = imported(f"agno.tools.{module.name}")
            if found is None:
                continue
            try:
                yield module.name, _toolkit_class(found, ToolkitSpec(module.name))
            except SpecError:
                yield module.name, None


def own_options(cls: type[Toolkit]) -> set[str]:
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self"} - OBJECTS


def test_a_toolkit_is_one_for_it_and_for_the_runtime_and_takes_the_same_options() -> None:
    every = own_options(Toolkit)
    seen = 0
    for name, cls in toolkits():
        assert (name in CATALOGUE.toolkits) == (cls is not None), name
        if cls is None:
            continue
        seen += 1
        open_ended = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls.__init__).parameters.values())
        known = CATALOGUE.toolkit(name).options
        assert own_options(cls) <= known, name
        assert open_ended or known == own_options(cls), name
        assert known <= own_options(cls).union(every, *(own_options(base) for base in cls.__mro__[1:-1])), name
    assert seen >= 60


def test_no_function_that_a_toolkit_has_is_unknown_to_it() -> None:
    seen = 0
    for name, cls in toolkits():
        known = CATALOGUE.toolkit(name).functions if cls else None
        if cls is None or known is None:
            continue
        with quietly():
            try:
                toolkit = cls()
            except Exception:
                continue
        seen += 1
        assert {*toolkit.functions, *toolkit.async_functions} <= known, name
    assert seen >= 30


def test_a_guardrail_takes_the_options_that_it_says() -> None:
    for name, cls in GUARDRAILS.items():
        parameters = inspect.signature(getattr(agno.guardrails, cls).__init__).parameters
        assert CATALOGUE.guardrail_options(name) == [each for each in parameters if each != "self"]


def test_an_image_with_another_agno_is_not_judged_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentos_runtime.agents.own.version", lambda _: "99.0")
    own_catalogue.cache_clear()
    try:
        assert own_catalogue() is None
    finally:
        own_catalogue.cache_clear()


def test_an_option_that_a_toolkit_sets_by_itself_is_none_of_its_options() -> None:
    content = {
        "agno": "1",
        "everyToolkit": ["name", "timeout"],
        "toolkits": {
            "a": {"options": ["key", "*", "-name"], "functions": None},
            "b": {"options": ["x"], "functions": []},
        },
    }
    catalogue = Catalogue(content)
    assert catalogue.toolkit("a").options == {"key", "timeout"}
    assert catalogue.toolkit("b").options == {"x"}


FITS: list[tuple[Any, str, str | None]] = [
    (1, "number", None),
    (0.5, "number|nothing", None),
    (None, "number|nothing", None),
    (None, "number", "must be a number, not nothing"),
    (True, "number", "must be a number, not a boolean"),
    (True, "whole", "must be a whole number, not a boolean"),
    (0.5, "whole|nothing", "must be a whole number, not a number with a fraction"),
    ("x", "flag", "must be true or false, not text"),
    (["a"], "text|texts|nothing", None),
    ([1], "text|texts", "must be a string or a list of strings, not a list"),
    ({}, "mapping", None),
    ("sk-planted", "mapping", "must be a mapping, not text"),
    ("low", "=low|=high|nothing", None),
    ("hgh", "=low|=high", "is none of low, high (did you mean 'high'?)"),
    (3, "=low|=high", "must be one of low, high, not a number"),
    ("other", "=low|text", None),
    (object(), "any|nothing", None),
]


@pytest.mark.parametrize(("value", "takes", "problem"), FITS)
def test_a_value_fits_or_is_told_what_would(value: Any, takes: str, problem: str | None) -> None:
    assert misfit(value, takes) == problem
