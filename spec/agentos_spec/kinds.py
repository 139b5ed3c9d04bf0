"""Kinds of parameters: how a value of the document becomes one for agno's constructor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Any, Protocol
from zoneinfo import available_timezones

from agentos_spec.arguments import BlockSpec, FiltersSpec, JsonSchema, ModelSpec
from agentos_spec.errors import did_you_mean
from agentos_spec.models import parse_model
from agentos_spec.node import Node


class Kind(Protocol):
    """One kind; `read` raises a SpecError that names the value's path."""

    def read(self, node: Node) -> Any: ...


@dataclass(frozen=True)
class Flag:
    """true or false."""

    def read(self, node: Node) -> bool:
        return node.flag()


@dataclass(frozen=True)
class Whole:
    """A whole number in a range."""

    low: int
    high: int

    def read(self, node: Node) -> int:
        return node.integer(self.low, self.high)


@dataclass(frozen=True)
class Text:
    """Words for the model or for people."""

    def read(self, node: Node) -> str:
        return node.text()


@dataclass(frozen=True)
class Texts:
    """A list of them."""

    def read(self, node: Node) -> list[str]:
        return [item.text() for item in node.items(at_most=64)]


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, node: Node) -> str:
        text = node.text()
        if text not in self.words:
            node.fail(f"{text!r} is none of {', '.join(self.words)}{did_you_mean(text, self.words)}")
        return text


@dataclass(frozen=True)
class Timezone:
    """A name of the IANA time zone database."""

    def read(self, node: Node) -> str:
        text = node.text()
        known = _timezones()
        if known and text not in known:
            hint = did_you_mean(text, known)
            node.fail(f"{text!r} is no time zone of the IANA database, such as Europe/Berlin{hint}")
        return text


@cache
def _timezones() -> set[str]:
    """Looked for in the file system once; none where there is no such database, as on Windows."""
    return available_timezones()


@dataclass(frozen=True)
class Values:
    """A mapping whose content is the author's own."""

    def read(self, node: Node) -> dict[str, Any]:
        return node.values()


@dataclass(frozen=True)
class Filters:
    """What a search is narrowed by: names, each with the one value that a text must have."""

    def read(self, node: Node) -> FiltersSpec:
        filters = node.values()
        if not filters:
            node.fail("says nothing; name what a text must have, or leave it out")
        for name, value in filters.items():
            if not isinstance(value, str | int | float) or (isinstance(value, float) and not isfinite(value)):
                Node(value, f"{node.path}.{name}").fail("must be text, a number, true or false")
        return FiltersSpec(filters)


@dataclass(frozen=True)
class Model:
    """Another model beside the one that answers."""

    def read(self, node: Node) -> ModelSpec:
        return parse_model(node)


@dataclass(frozen=True)
class Models:
    """Several, in the order in which they are tried."""

    def read(self, node: Node) -> list[ModelSpec]:
        return [parse_model(item) for item in node.items(at_least=1, at_most=8)]


@dataclass(frozen=True)
class Block:
    """A mapping with kinds of its own: what one of agno's classes is constructed with."""

    of: str
    """The name of the class."""
    kinds: Mapping[str, Kind]

    def read(self, node: Node) -> BlockSpec:
        have = node.fields([], map(camel, self.kinds))
        if not have:
            node.fail(f"says nothing; set one of {', '.join(map(camel, self.kinds))}, or leave it out")
        return BlockSpec(self.of, read_parameters(have, self.kinds), node.path)


@dataclass(frozen=True)
class Form:
    """A JSON Schema of an object with properties."""

    def read(self, node: Node) -> JsonSchema:
        schema = Values().read(node)
        if schema.get("type") != "object" or not isinstance(schema.get("properties"), Mapping):
            node.fail("must be a JSON Schema with type: object and properties")
        return JsonSchema(schema, node.path)


@dataclass(frozen=True)
class Messages:
    """Messages that are sent before the user's: examples of a conversation."""

    def read(self, node: Node) -> list[dict[str, str]]:
        return [self._message(item) for item in node.items(at_most=64)]

    def _message(self, node: Node) -> dict[str, str]:
        have = node.fields(["role", "content"])
        return {"role": Choice(("user", "assistant")).read(have["role"]), "content": have["content"].text()}


def camel(name: str) -> str:
    """agno's name of a parameter as the document writes it: `num_history_runs` is `numHistoryRuns`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def read_parameters(have: Mapping[str, Node], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Those of `kinds` that the document sets, under agno's names."""
    return {name: kind.read(have[camel(name)]) for name, kind in kinds.items() if camel(name) in have}
