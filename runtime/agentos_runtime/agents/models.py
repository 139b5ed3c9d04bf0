"""Models: agno's own providers, constructed without importing a provider's SDK before it is needed.

The openai package alone costs 0.4 s of import, as much as half of agno, and no request needs it before the
first run. So for providers whose constructor is known here a stand-in takes the model's place while the
server starts; `DeferredModel.load` turns that very object into the real model, and every reference agno
holds with it.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from agno.models.base import Model
from agno.models.response import ModelResponse
from agno.models.utils import MODEL_PROVIDER_CLASSES

from agentos_runtime.agents.own import own_catalogue, refuse_first
from agentos_runtime.agents.packages import USE_ALL
from agentos_runtime.errors import Reason, StartupError
from agentos_spec import ModelSpec
from agentos_spec.known import model_problems, unknown_provider

_SDK_OF = {"agno.models.openai": "openai"}
"""Modules whose import waits for the server to listen, and the package they need. Their classes all take
`api_key` and `base_url`; a module that is not listed is imported, and judged, at once."""


class DeferredModel(Model):
    """A model that is described but not yet imported. It must be loaded before the first run."""

    def __init__(self, spec: ModelSpec, api_key: str | None) -> None:
        super().__init__(id=spec.id)
        self._described = (spec, api_key)
        self._untouched = dict(self.__dict__)

    def load(self) -> None:
        """Become the real model, keeping what agno set on this object meanwhile."""
        spec, api_key = self._described
        changed = {k: v for k, v in self.__dict__.items() if self._untouched.get(k, ...) is not v}
        changed.pop("_untouched", None)
        real = _construct(spec, api_key)
        self.__class__ = type(real)  # type: ignore[assignment]
        self.__dict__ = {**real.__dict__, **changed}

    def __deepcopy__(self, memo: dict[int, Any]) -> DeferredModel:
        """Itself: agno copies fallback models as it is constructed, and a copy would never be loaded."""
        return self

    def invoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
        raise NotImplementedError("the model is not loaded")

    async def ainvoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
        raise NotImplementedError("the model is not loaded")

    def invoke_stream(self, *args: Any, **kwargs: Any) -> Iterator[ModelResponse]:
        raise NotImplementedError("the model is not loaded")

    def ainvoke_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ModelResponse]:
        raise NotImplementedError("the model is not loaded")

    def _parse_provider_response(self, response: Any, **kwargs: Any) -> ModelResponse:
        raise NotImplementedError("the model is not loaded")

    def _parse_provider_response_delta(self, response: Any) -> ModelResponse:
        raise NotImplementedError("the model is not loaded")


def compile_model(spec: ModelSpec, api_key: str | None) -> Model:
    """The model of a spec; a SpecError where agno has none such, a StartupError where this image has not."""
    if spec.provider not in MODEL_PROVIDER_CLASSES:
        raise unknown_provider(spec, MODEL_PROVIDER_CLASSES)
    refuse_first(model_problems(spec, own_catalogue()))
    package = _SDK_OF.get(MODEL_PROVIDER_CLASSES[spec.provider][0])
    if package is None:
        return _construct(spec, api_key)
    if importlib.util.find_spec(package) is None:
        raise _package_missing(spec, package)
    return DeferredModel(spec, api_key)


def _construct(spec: ModelSpec, api_key: str | None) -> Model:
    """Import the provider's class and call it with what the spec says."""
    module, name = MODEL_PROVIDER_CLASSES[spec.provider]
    try:
        cls: Any = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise _package_missing(spec, _package(error)) from error
    given = {"api_key": api_key, "base_url": spec.base_url}
    said = {key: value for key, value in given.items() if value is not None}
    try:
        model: Model = cls(id=spec.id, **said, **spec.options)
    except Exception as error:  # a provider's constructor may refuse in any way it likes
        why = " ".join(str(error).split())[:300]
        message = f"{spec.path}: provider {spec.provider!r} refuses it: {why}; change the model"
        raise StartupError(Reason.INVALID_SPEC, message) from error
    return model


def _package(error: ImportError) -> str:
    """What is not installed: agno says it in words of its own, with the name in backquotes."""
    named = re.search(r"`([A-Za-z0-9._-]+)`", str(error))
    return error.name or (named[1] if named else str(error))


def _package_missing(spec: ModelSpec, package: str) -> StartupError:
    return StartupError(
        Reason.MODEL_PACKAGE_MISSING,
        f"{spec.path}.id: provider {spec.provider!r} needs the Python package {package!r}, which is not"
        f" in this image; {USE_ALL}",
    )
