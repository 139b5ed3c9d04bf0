"""Resources made from the schemas of ``crds/``, as valid as can be told without asking the API server.

Some rules of CEL are read off the schema (a form, exactly one of two fields), others are obeyed by ``known`` and
``rules``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.generated import values
from tests.generated.known import FIXED
from tests.generated.rules import obey
from tests.generated.values import Schema

CRDS = Path(__file__).resolve().parents[2] / "crds"
NAMES = {"Workspace": "generated", "AgentDeployment": "support"}
NAMESPACE = "ws-generated"
_EITHER = re.compile(r"has\(self\.(\w+)\) != has\(self\.(\w+)\)")


@cache
def schema_of(kind: str) -> Schema:
    """The schema of the spec of a kind."""
    (file,) = CRDS.glob(f"{kind.lower()}s.yaml")
    whole = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found: Schema = whole["properties"]["spec"]
    return found


def resource(kind: str, spec: Any) -> dict[str, Any]:
    """A resource of one name, since none of them is kept."""
    place = {"namespace": NAMESPACE} if kind == "AgentDeployment" else {}
    metadata = {"name": NAMES[kind], **place}
    return {"apiVersion": "agentos.hyvve.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def spec_of(kind: str, r: Random) -> dict[str, Any]:
    """A spec of a kind."""
    spec: dict[str, Any] = _value(r, schema_of(kind), (kind,))
    return spec


def _value(r: Random, schema: Schema, path: tuple[str, ...]) -> Any:
    """``path`` names fields; those of the items of a list are the list's."""
    fixed = FIXED.get(".".join(path[-2:]), FIXED.get(path[-1]))
    if fixed is not None:
        return copy.deepcopy(fixed(r))
    if schema.get("x-kubernetes-int-or-string"):
        return r.choice(values.QUANTITIES[path[-1]])
    made = _MAKERS[schema["type"]](r, schema, path)
    return obey(r, path, made) if isinstance(made, dict | list) else made


def _object(r: Random, schema: Schema, path: tuple[str, ...]) -> dict[str, Any]:
    if "properties" not in schema:
        return _map(r, schema, path)
    properties, required = schema["properties"], list(schema.get("required", ()))
    optional = [name for name in properties if name not in required]
    for rule in schema.get("x-kubernetes-validations", ()):
        if either := _EITHER.fullmatch(rule["rule"]):
            required.append(r.choice(either.groups()))
            optional = [name for name in optional if name not in either.groups()]
    # Much that is left out, and now and then everything at once.
    most = len(optional) if r.random() < 0.02 else min(len(optional), 5)
    chosen = r.sample(optional, r.randint(0, most))
    if path == ("AgentDeployment",) and r.random() < 0.8:
        chosen = [*dict.fromkeys(("agents", *chosen))]
    made = {name: _value(r, properties[name], (*path, name)) for name in (*required, *chosen)}
    if chosen and r.random() < 0.04:
        made[chosen[0]] = None  # the API server leaves it to the default
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        made |= {key: each for key, each in values.mapping(r).items() if key not in properties}
    return made


def _map(r: Random, schema: Schema, path: tuple[str, ...]) -> dict[str, Any]:
    if "additionalProperties" not in schema:
        return values.mapping(r)
    keys = [FIXED[f"{path[-1]}.key"](r) for _ in range(r.randint(0, 3))]
    return {key: _value(r, schema["additionalProperties"], (*path, "value")) for key in keys}


def _list(r: Random, schema: Schema, path: tuple[str, ...]) -> list[Any]:
    low, high = schema.get("minItems", 0), schema.get("maxItems", 16)
    size = max(low, min(high, r.choice((0, 1, 1, 1, 1, 2, 2, 3))))
    items = [_value(r, schema["items"], path) for _ in range(size)]
    if schema.get("x-kubernetes-list-type") == "atomic" and items and r.random() < 0.02:
        items = (items * int(high))[: int(high)]
    return _unique(items, schema)


def _unique(items: list[Any], schema: Schema) -> list[Any]:
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys is None and schema.get("x-kubernetes-list-type") != "set":
        return items
    return list({repr([item.get(key) for key in keys] if keys else item): item for item in items}.values())


_MAKERS: dict[str, Callable[[Random, Schema, tuple[str, ...]], Any]] = {
    "object": _object,
    "array": _list,
    "string": lambda r, schema, _: values.text(r, schema),
    "integer": lambda r, schema, _: values.whole(r, schema),
    "boolean": lambda r, *_: r.random() < 0.5,
}
