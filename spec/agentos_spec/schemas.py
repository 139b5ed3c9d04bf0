"""Schemas of an OpenAPI document as JSON Schemas that stand alone: providers follow no references into a document.

Called by `operations`. What stands in a document may be made to exhaust a reader (references in circles, or to a
thing that refers to ten others that do so too): references are replaced, each circle once around, within a bound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_MOST_PARTS = 2_000
"""Schemas in what describes one operation."""
_DEEPEST = 24
_LONGEST_CHAIN = 8
"""References to references."""
_MAPS, _LISTS = ("properties", "patternProperties"), ("allOf", "anyOf", "oneOf", "prefixItems")
_ONE = ("items", "additionalProperties", "not", "contains", "propertyNames")
_PLAIN = (
    *("type", "format", "enum", "const", "default", "title", "description", "pattern", "required", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems"),
    *("uniqueItems", "minProperties", "maxProperties"),
)
"""Words of JSON Schema; OpenAPI's own (`example`, `discriminator`, `xml`, `x-…`) say nothing to a model."""


class Schemas:
    """One document, for one operation."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._parts = 0

    def described(self, schema: Any, description: Any) -> dict[str, Any]:
        """A schema by itself, with the words for what it describes; a ValueError where there is no end to it."""
        made = self._schema(schema, 0, ())
        if isinstance(description, str):
            made = {**made, "description": description[:1024]}
        plain: dict[str, Any] = json.loads(json.dumps(made, default=str, allow_nan=False))  # YAML has dates
        return plain

    def resolved(self, value: Any) -> Mapping[str, Any]:
        """A parameter or a body, itself or where it refers to."""
        for _ in range(_LONGEST_CHAIN):
            if not isinstance(value, Mapping):
                raise ValueError("a part of it is no mapping")  # noqa: TRY004 - the same for all that is wrong
            if "$ref" not in value:
                return value
            value = self._at(value["$ref"])
        raise ValueError("its references lead from one to the next")

    def _at(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise ValueError(f"it refers to {str(reference)[:100]!r}, which is outside of the document")
        found: Any = self._document
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or name not in found:
                raise ValueError(f"it refers to {reference[:100]!r}, which is not there")
            found = found[name]
        return found

    def _schema(self, schema: Any, depth: int, way: tuple[str, ...]) -> dict[str, Any]:
        """`way`: the references that it is inside of."""
        self._parts += 1
        if self._parts > _MOST_PARTS or depth > _DEEPEST:
            raise ValueError(f"what describes it has more than {_MOST_PARTS:,} parts or {_DEEPEST} levels")
        if isinstance(schema, bool):
            return {} if schema else {"not": {}}
        if not isinstance(schema, Mapping):
            raise ValueError("a schema of it is no mapping")  # noqa: TRY004 - the same for all that is wrong
        if "$ref" in schema:
            reference = str(schema["$ref"])
            return {} if reference in way else self._schema(self._at(reference), depth + 1, (*way, reference))
        return self._inside(schema, depth + 1, way)

    def _inside(self, schema: Mapping[str, Any], depth: int, way: tuple[str, ...]) -> dict[str, Any]:
        made: dict[str, Any] = {word: schema[word] for word in _PLAIN if word in schema}
        for word in _MAPS:
            if isinstance(schema.get(word), Mapping):
                given = schema[word].items()
                made[word] = {str(k): self._schema(v, depth, way) for k, v in given if not self._is_answer(v)}
        for word in _LISTS:
            if isinstance(schema.get(word), list):
                made[word] = [self._schema(each, depth, way) for each in schema[word]]
        for word in _ONE:
            if isinstance(schema.get(word), Mapping | bool):
                given = schema[word]
                made[word] = given if isinstance(given, bool) else self._schema(given, depth, way)
        if isinstance(made.get("required"), list):
            made["required"] = [
                name
                for name in made["required"]
                if isinstance(name, str) and ("properties" not in made or name in made["properties"])
            ]
        return _of_version_3_0(made, nullable=schema.get("nullable") is True)

    def _is_answer(self, schema: Any) -> bool:
        """Whether a property comes with answers alone."""
        return isinstance(schema, Mapping) and schema.get("readOnly") is True


def _of_version_3_0(made: dict[str, Any], *, nullable: bool) -> dict[str, Any]:
    """Version 3.0 says `nullable`, and of a bound in a word of its own that it is none of the values."""
    for word, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(word), bool) and made.pop(word) and bound in made:
            made[word] = made.pop(bound)
    if nullable and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if isinstance(made.get("enum"), list):
            made["enum"] = [*made["enum"], None]
    return made
