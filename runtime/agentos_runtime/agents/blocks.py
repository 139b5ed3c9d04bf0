"""Objects of agno's classes that a parameter takes: what a block of the document is constructed as."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from agentos_spec import BlockSpec

_MODULES = {
    "CompressionManager": "agno.compression.manager",
    "FallbackConfig": "agno.models.fallback",
    "LearningMachine": "agno.learn.machine",
    "MemoryManager": "agno.memory",
    "SessionSummaryManager": "agno.session.summary",
}
"""Where each class is. Few documents have any, and not all of them are loaded with agno's agents."""
_OURS: Mapping[str, Mapping[str, Any]] = {"LearningMachine": {"namespace": "user"}}
"""What no document says: agno would keep what it learns of people and things for all users of the schema together."""


def compile_block(spec: BlockSpec, given: Mapping[str, Any]) -> Any:
    """A new object for each place: agno writes into it whose database and model it uses."""
    cls = getattr(importlib.import_module(_MODULES[spec.of]), spec.of)
    return cls(**given, **_OURS.get(spec.of, {}))
