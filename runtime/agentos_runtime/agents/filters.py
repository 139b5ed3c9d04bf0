"""Filters of knowledge that an author has declared: they hold, whatever a caller or a model adds.

agno has what comes with a run replace what the agent says, so that a caller would choose which texts a narrowed agent
reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentos_spec import FiltersSpec


class DeclaredFilters(dict[str, Any]):
    """agno copies an agent's filters for each run, and writes the caller's into the copy."""

    def copy(self) -> DeclaredFilters:
        return DeclaredFilters(self)

    def update(self, further: Mapping[str, Any]) -> None:  # type: ignore[override]
        """Take what is not said already."""
        super().update({name: value for name, value in further.items() if name not in self})


def compile_filters(spec: FiltersSpec) -> DeclaredFilters:
    """Those of one place of an agent or a team."""
    return DeclaredFilters(spec.values)
