"""Values of parameters that become objects of agno's classes: models, forms, filters, blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SecretRef:
    """One key of a Secret in the workspace's namespace."""

    name: str
    key: str


@dataclass(frozen=True)
class ModelSpec:
    """A model in agno's own notation."""

    provider: str
    """agno's provider key, e.g. `openai-chat`."""
    id: str
    """The provider's name for the model, e.g. `gpt-4o-mini`."""
    base_url: str | None = None
    """Another endpoint of the same protocol: a proxy, a gateway, a model in the cluster."""
    api_key: SecretRef | None = None
    """Without one the provider's SDK looks for its own environment variable."""
    path: str = ""
    """Where in the document this stands, for messages."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Passed to the constructor of agno's class."""

    @property
    def label(self) -> str:
        """Provider and model as the document writes them."""
        return f"{self.provider}:{self.id}"


@dataclass(frozen=True)
class JsonSchema:
    """The form of what goes into a run or comes out of it."""

    schema: Mapping[str, Any]
    path: str = ""


@dataclass(frozen=True)
class FiltersSpec:
    """What every text that a search finds must have."""

    values: Mapping[str, str | int | float]


@dataclass(frozen=True)
class SkillSpec:
    """One skill."""

    name: str
    description: str
    """What the model is told of it before it asks."""
    instructions: str
    references: Mapping[str, str]
    """Texts that it may read beside them, by name."""


@dataclass(frozen=True)
class SkillsSpec:
    """All skills of an agent or a team."""

    skills: tuple[SkillSpec, ...]


@dataclass(frozen=True)
class BlockSpec:
    """One of agno's classes that a parameter takes, and what it is constructed with."""

    of: str
    """The name of the class."""
    parameters: Mapping[str, Any]
    """As of a component."""
    path: str = ""


def models_in(values: Iterable[Any]) -> Iterator[ModelSpec]:
    """Every model among values of parameters, in blocks and lists as well."""
    for value in values:
        if isinstance(value, ModelSpec):
            yield value
        elif isinstance(value, BlockSpec):
            yield from models_in(value.parameters.values())
        elif isinstance(value, list):
            yield from models_in(value)
