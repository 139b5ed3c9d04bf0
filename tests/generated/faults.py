"""Valid specs with one fault: what the API server must refuse, and the path that its message must name."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from tests.generated.values import Schema

Change = Callable[[Any], Any]
"""Makes of a value one that has a fault."""
_OTHER_TYPES: dict[str, tuple[Any, ...]] = {
    "object": ("text", 7, [], True),
    "array": ("text", 7, {}, False),
    "string": (7, True, [], {"a": "b"}, 1.5),
    "integer": ("7", 1.5, True, [], {}),
    "boolean": ("true", 1, 0, [], {}),
}
_PYTHON = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a spec."""

    kind: str
    path: str
    """What a message about it names."""
    keys: tuple[str | int, ...]
    """Where in the spec it is put in."""
    change: Change

    def put_into(self, spec: dict[str, Any]) -> dict[str, Any]:
        """The spec with it."""
        whole = {"spec": copy.deepcopy(spec)}
        place: Any = whole
        for key in self.keys[:-1]:
            place = place[key]
        place[self.keys[-1]] = self.change(place[self.keys[-1]])
        return whole["spec"]


def fault_of(spec: dict[str, Any], schema: Schema, r: Random) -> Fault:
    """Any one that the schema forbids."""
    kinds: dict[str, list[Fault]] = {}
    for fault in _faults(spec, schema, "spec", ("spec",), r):
        kinds.setdefault(fault.kind, []).append(fault)
    return r.choice(kinds[r.choice(sorted(kinds))])


def _faults(value: Any, schema: Schema, path: str, keys: tuple[str | int, ...], r: Random) -> Iterator[Fault]:
    if schema.get("x-kubernetes-int-or-string") or not isinstance(value, _PYTHON[schema["type"]]):
        return  # what is wrong already gets no other fault
    other = r.choice(_OTHER_TYPES[schema["type"]])
    yield Fault("another type", path, keys, partial(_always, other))
    for kind, change, at in _BY_TYPE[schema["type"]](value, schema):
        yield Fault(kind, path + at, keys, change)
    if isinstance(value, dict):
        for name, child in value.items():
            if name in schema.get("properties", {}):
                yield from _faults(child, schema["properties"][name], f"{path}.{name}", (*keys, name), r)
    if isinstance(value, list):
        for place, item in enumerate(value[:3]):
            yield from _faults(item, schema["items"], f"{path}[{place}]", (*keys, place), r)


def _of_object(value: dict[str, Any], schema: Schema) -> Iterator[tuple[str, Change, str]]:
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        yield "an unknown field", partial(_with, 1, "unknownField"), ".unknownField"
    for name in schema.get("required", ()):
        yield "a missing field", partial(_without, name), f".{name}"
    if any(name in schema.get("required", ()) for name in value):
        name = schema["required"][0]
        yield "nothing where something must be", partial(_with, None, name), f".{name}"
    if schema.get("minProperties"):
        yield "too few fields", lambda _: {}, ""


def _without(name: str, found: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in found.items() if key != name}


def _with(value: Any, name: str, found: dict[str, Any]) -> dict[str, Any]:
    return {**found, name: value}


def _always(value: Any, _: Any) -> Any:
    return value


def _of_list(value: list[Any], schema: Schema) -> Iterator[tuple[str, Change, str]]:
    if "maxItems" in schema and value:
        yield "too many entries", lambda found: (found * (schema["maxItems"] + 1))[: schema["maxItems"] + 1], ""
    if schema.get("minItems"):
        yield "too few entries", lambda _: [], ""
    if value:
        yield "nothing in a list", lambda found: [*found, None], f"[{len(value)}]"
    if value and schema.get("x-kubernetes-list-type") in ("set", "map") and len(value) < schema.get("maxItems", 99):
        yield "an entry twice", lambda found: [*found, copy.deepcopy(found[0])], f"[{len(value)}]"


def _of_string(value: str, schema: Schema) -> Iterator[tuple[str, Change, str]]:
    if "maxLength" in schema:
        yield "too long a text", lambda found: (found or "x") + "x" * schema["maxLength"], ""
    if schema.get("minLength"):
        yield "an empty text", lambda _: "", ""
    if "enum" in schema:
        yield "another word", lambda found: f"{found}x", ""
    if "pattern" in schema:
        yield "another form", lambda found: f"{found}\n", ""


def _of_integer(value: int, schema: Schema) -> Iterator[tuple[str, Change, str]]:
    for bound, step in (("minimum", -1), ("maximum", 1)):
        if bound in schema:
            yield "a number out of bounds", partial(_always, schema[bound] + step), ""


_BY_TYPE: dict[str, Callable[[Any, Schema], Iterator[tuple[str, Change, str]]]] = {
    "object": _of_object,
    "array": _of_list,
    "string": _of_string,
    "integer": _of_integer,
    "boolean": lambda *_: iter(()),
}
