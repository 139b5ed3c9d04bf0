"""What a catalogue knows against what a document names: providers, toolkits, guardrails, their options and functions.

The operator and the command line ask about whole documents (`check`). The runtime asks part by part, with the catalogue
of its own agno or none, and finds out by constructing what no catalogue can tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from agentos_spec.arguments import ModelSpec
from agentos_spec.catalogue import Catalogue
from agentos_spec.errors import SpecError, SpecReason, did_you_mean
from agentos_spec.model import GuardrailSpec, HookSpec, Spec, ToolkitSpec
from agentos_spec.values import misfit

_ADDRESSES = ("host", "endpoint", "azure_endpoint", "api_base", "url")
"""Options by which classes of agno that have no `base_url` are told where their server is."""
_FIELDS = {"id": "id", "api_key": "apiKeySecretRef", "base_url": "baseURL"}
"""Arguments of a model that a field of the document sets."""
_OURS = frozenset({"client", "async_client", "http_client", "cache_response", "cache_ttl", "cache_dir"})
"""Arguments of a model that no file can set: objects of Python, and a cache on a disk that pods do not have."""


def unknown_names(spec: Spec, catalogue: Catalogue) -> Iterator[SpecError]:
    """Everything that a document names and the catalogue does not have, in the document's order."""
    for part in (*spec.agents, *spec.teams):
        for model in part.all_models():
            if model.provider not in catalogue.providers:
                yield unknown_provider(model, catalogue.providers)
            else:
                yield from model_problems(model, catalogue)
        for tool in part.tools:
            if not isinstance(tool, ToolkitSpec):
                continue
            if tool.name not in catalogue.toolkits:
                yield unknown_toolkit(tool, catalogue.toolkits)
            else:
                yield from toolkit_problems(tool, catalogue)
        for guardrail in part.guardrails:
            yield from guardrail_problems(guardrail, catalogue)
        yield from map(no_hooks, part.hooks)


def unknown_provider(spec: ModelSpec, known: Collection[str]) -> SpecError:
    """That agno has no such provider."""
    hint = did_you_mean(spec.provider, known) or "; see agno's list of models"
    message = f"{spec.path}.id: {spec.provider!r} is no provider of agno{hint}"
    return SpecError(SpecReason.UNKNOWN_MODEL_PROVIDER, message)


def model_problems(spec: ModelSpec, catalogue: Catalogue | None) -> Iterator[SpecError]:
    """What is wrong with a model whose provider is known; without a catalogue, only what no model takes from a file."""
    known = catalogue.model_options(spec.provider) if catalogue else None
    for given, field in ((spec.api_key, "api_key"), (spec.base_url, "base_url")):
        if given and known is not None and field not in known:
            yield _invalid(
                f"{spec.path}.{_FIELDS[field]}: provider {spec.provider!r} takes none; {_instead(field, known)}"
            )
    for name, value in spec.options.items():
        place = f"{spec.path}.options.{name}"
        if name in _FIELDS:
            yield _invalid(f"{place}: has a field of its own, {spec.path}.{_FIELDS[name]}")
        elif name in _OURS or name.startswith("_") or (known is not None and name not in known):
            yield _invalid(f"{place}: {spec.provider!r} has no such option{_other_option(spec, name, catalogue)}")
        elif known is not None and (problem := misfit(value, known[name])):
            yield _invalid(f"{place}: {problem}")


def _other_option(spec: ModelSpec, name: str, catalogue: Catalogue | None) -> str:
    if catalogue is None:
        return ""
    known = sorted(catalogue.model_options(spec.provider).keys() - _FIELDS.keys() - _OURS)
    return did_you_mean(name, known) or f"; see agno's {catalogue.model_class(spec.provider)} for what there is"


def unknown_toolkit(spec: ToolkitSpec, known: Collection[str]) -> SpecError:
    """That agno has no such toolkit."""
    hint = did_you_mean(spec.name, known) or "; the names are those of agno's modules under agno.tools"
    message = f"{spec.path}.toolkit: {spec.name!r} is no toolkit of agno{hint}"
    return SpecError(SpecReason.UNKNOWN_TOOLKIT, message)


def toolkit_problems(spec: ToolkitSpec, catalogue: Catalogue) -> Iterator[SpecError]:
    """What is wrong with a toolkit that the catalogue has."""
    known = catalogue.toolkit(spec.name)
    for name in spec.options:
        if name not in known.options:
            hint = did_you_mean(name, sorted(known.options)) or f"; it has {', '.join(sorted(known.options))}"
            message = f"{spec.path}.options.{name}: toolkit {spec.name!r} has no such option{hint}"
            yield SpecError(SpecReason.INVALID_TOOL_OPTIONS, message)
    if known.functions is not None:
        for name in (*spec.requires_confirmation, *spec.requires_approval):
            if name not in known.functions:
                yield unknown_function(spec, name, known.functions)


def unknown_function(spec: ToolkitSpec, name: str, known: Collection[str]) -> SpecError:
    """That a function which is to wait does not exist: the one that the author meant would run unasked."""
    field = "requiresApproval" if name in spec.requires_approval else "requiresConfirmation"
    hint = did_you_mean(name, sorted(known)) or f"; it has {', '.join(sorted(known))}"
    message = f"{spec.path}.{field}: toolkit {spec.name!r} has no function {name!r}{hint}"
    return SpecError(SpecReason.INVALID_TOOL_OPTIONS, message)


def guardrail_problems(spec: GuardrailSpec, catalogue: Catalogue) -> Iterator[SpecError]:
    """What is wrong with a guardrail's options; the document's form has checked its name."""
    known = catalogue.guardrail_options(spec.name)
    for name in spec.options:
        if name not in known:
            hint = did_you_mean(name, known) or f"; it has {', '.join(known)}"
            yield _invalid(f"{spec.path}.options.{name}: guardrail {spec.name!r} has no such option{hint}")


def _instead(field: str, known: Collection[str]) -> str:
    """What to do about a field that a provider has not."""
    address = next((name for name in _ADDRESSES if name in known), None) if field == "base_url" else None
    return f"say it as options.{address}" if address else "leave it out"


def no_hooks(spec: HookSpec) -> SpecError:
    """That the image has no hooks at all, as none has that is not somebody's own."""
    message = f"{spec.path}: {spec.name!r} is of the package agentos_hooks, which only an image of your own has"
    return SpecError(SpecReason.UNKNOWN_HOOK, f"{message}; add it there, and name the image in spec.image")


def _invalid(message: str) -> SpecError:
    return SpecError(SpecReason.INVALID_SPEC, message)
