"""Embedders: agno's classes, constructed with what the document says."""

from __future__ import annotations

import importlib
from typing import Any

from agno.knowledge.embedder.base import Embedder

from agentos_runtime.errors import Reason, StartupError
from agentos_spec import EmbedderSpec
from agentos_spec.knowledge import EMBEDDERS

_CLIENT = {"timeout": 30.0, "max_retries": 1}
"""The SDK would wait ten minutes for each of three attempts; whoever searches waits meanwhile."""
_BATCH = 64


def compile_embedder(spec: EmbedderSpec, api_key: str | None) -> Embedder:
    """The embedder of a spec; a StartupError where this image lacks the provider's SDK."""
    module, _, name = EMBEDDERS[spec.provider].rpartition(".")
    try:
        cls: Any = getattr(importlib.import_module(module), name)
    except ImportError as error:
        message = (
            f"{spec.path}.id: provider {spec.provider!r} needs a Python package that is not in this image: {error}"
        )
        raise StartupError(Reason.MODEL_PACKAGE_MISSING, message) from error
    given = {"api_key": api_key, "base_url": spec.base_url}
    said = {key: value for key, value in given.items() if value is not None}
    embedder: Embedder = cls(
        id=spec.id,
        dimensions=spec.dimensions,
        enable_batch=True,
        batch_size=_BATCH,
        client_params=_CLIENT,
        **said,
    )
    return embedder
