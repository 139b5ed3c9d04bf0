"""A document against the schema of its CRD, as the API server would check it, but for rules in CEL.

The API server names no field that is near; this does. `schemas.json` is made from crds/ by charts/generate.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from agentos_spec.errors import did_you_mean
from agentos_spec.node import kind_of

Schema = Mapping[str, Any]
KEEP = "x-kubernetes-preserve-unknown-fields"
EITHER = "x-kubernetes-int-or-string"
LIST_TYPE = "x-kubernetes-list-type"
LIST_KEYS = "x-kubernetes-list-map-keys"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@cache
def schemas() -> Mapping[str, Schema]:
    """By kind."""
    loaded: Mapping[str, Schema] = json.loads(Path(__file__).with_name("schemas.json").read_bytes())
    return loaded


def schema_problems(document: Any, schema: Schema) -> Iterator[Problem]:
    """Everything in which a document differs from its schema."""
    return _value(document, schema, "")


def _value(value: Any, schema: Schema, path: str) -> Iterator[Problem]:
    if schema.get(EITHER):
        yield from _either(value, schema, path)
        return
    check = _CHECKS[schema["type"]]
    for text in check(value, schema):
        yield Problem(path or "document", text)
    if schema["type"] == "object" and isinstance(value, Mapping):
        yield from _fields(value, schema, path)
    if schema["type"] == "array" and isinstance(value, list):
        for place, item in enumerate(value):
            yield from _value(item, schema["items"], f"{path}[{place}]")


def _fields(value: Mapping[Any, Any], schema: Schema, path: str) -> Iterator[Problem]:
    """Fields that are null are left to their defaults, as the API server does."""
    known = schema.get("properties", {})
    for name, child in value.items():
        below = f"{path}.{name}" if path else str(name)
        if child is not None and name in known:
            yield from _value(child, known[name], below)
        elif child is not None and "additionalProperties" in schema:
            yield from _value(child, schema["additionalProperties"], below)


def _either(value: Any, schema: Schema, path: str) -> Iterator[Problem]:
    if isinstance(value, str):
        yield from (Problem(path, text) for text in _string(value, schema))
    elif not isinstance(value, int) or isinstance(value, bool):
        yield Problem(path, f"must be a whole number or a string, not {kind_of(value)}")


def _object(value: Any, schema: Schema) -> Iterator[str]:
    known = schema.get("properties", {})
    if not isinstance(value, Mapping):
        yield f"must be a mapping{' with ' if known else ''}{', '.join(known)}, not {kind_of(value)}"
        return
    if not schema.get(KEEP) and "additionalProperties" not in schema:
        for name in value:
            if name not in known:
                hint = did_you_mean(str(name), known) or f"; known are {', '.join(known)}"
                yield f"unknown field {name!r}{hint}"
    yield from (f"{name} is missing; add it" for name in schema.get("required", ()) if value.get(name) is None)
    yield from _size(len(value), schema, "Properties")


def _array(value: Any, schema: Schema) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"must be a list, not {kind_of(value)}; put '- ' before each entry"
        return
    yield from _size(len(value), schema, "Items")
    if schema.get(LIST_TYPE) == "set":
        yield from (f"has {each!r} twice; leave one out" for each in _twice(value))
    if schema.get(LIST_TYPE) == "map":
        ids = [
            " and ".join(f"the {key} {item.get(key)!r}" for key in schema[LIST_KEYS])
            for item in value
            if isinstance(item, Mapping)
        ]
        yield from (f"two entries have {each}; leave one out" for each in _twice(ids))


def _twice(values: Sequence[Any]) -> list[Any]:
    """Those that stand in a list before, each time; they need not be hashable."""
    return [value for place, value in enumerate(values) if value in values[:place]]


def _string(value: Any, schema: Schema) -> Iterator[str]:
    """A value that has not its form is not told: it may be a secret in the wrong place."""
    if not isinstance(value, str):
        yield f"must be a string, not {kind_of(value)}; quote it"
        return
    words = schema.get("enum")
    if words and value not in words:
        yield f"{value!r} is none of {', '.join(words)}{did_you_mean(value, words)}"
    if (pattern := schema.get("pattern")) and not re.search(_to_the_end(pattern), value, re.ASCII):
        yield f"does not have the form {pattern}"
    yield from _size(len(value), schema, "Length")


def _to_the_end(pattern: str) -> str:
    """`$` is the end in Kubernetes' patterns, and in Python's the place before a last line break as well.

    There `\\s` is white space of ASCII alone, too: https://github.com/google/re2/wiki/Syntax
    """
    return re.sub(r"(?<!\\)\$", r"\\Z", pattern)


def _integer(value: Any, schema: Schema) -> Iterator[str]:
    if not isinstance(value, int) or isinstance(value, bool):
        yield f"must be a whole number, not {kind_of(value)}"
    elif value < schema.get("minimum", value) or value > schema.get("maximum", value):
        yield f"is {value}; it takes {schema.get('minimum', 'any number')} to {schema.get('maximum', 'any number')}"


def _boolean(value: Any, schema: Schema) -> Iterator[str]:  # noqa: ARG001 - one of several checks
    if not isinstance(value, bool):
        yield f"must be true or false, not {kind_of(value)}"


def _size(size: int, schema: Schema, of: str) -> Iterator[str]:
    low, high = schema.get(f"min{of}", 0), schema.get(f"max{of}")
    if size < low or (high is not None and size > high):
        what = {"Items": "entries", "Length": "characters", "Properties": "fields"}[of]
        yield f"has {size} {what}; it takes {f'{low} to {high}' if high is not None else f'at least {low}'}"


_CHECKS: Mapping[str, Callable[[Any, Schema], Iterator[str]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "boolean": _boolean,
}
