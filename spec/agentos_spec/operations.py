"""What an OpenAPI document offers: its operations, each with one JSON Schema of all that a model may say to it.

The parser asks where the document stands in the AgentDeployment, the runtime where a ConfigMap has it. A document may
come from anybody: it refers to nothing outside of itself, its references are followed to an end, and where requests go
is not its to say. What cannot be sent as it is described is refused by name and never left out silently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from agentos_spec.documents import read_yaml
from agentos_spec.errors import SpecError, SpecReason, did_you_mean
from agentos_spec.model import OpenApiSpec
from agentos_spec.schemas import Schemas

LARGEST = 1024 * 1024
"""Bytes of a document: as much as a ConfigMap can hold."""
MOST_OPERATIONS = 100
"""Tools of one API. The model reads all of them at every step; providers take about 128."""
_LARGEST_TOOL = 32 * 1024
_LONGEST_DESCRIPTION = 1024
_METHODS = ("get", "put", "post", "delete", "patch", "head")
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[^/?#\\\s]*)+")
JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"
_NOT_SENT = frozenset(
    {
        *("accept", "authorization", "connection", "content-length", "content-type", "cookie", "host", "keep-alive"),
        *("proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""Headers that no model may set; of three of them OpenAPI says the same."""


@dataclass(frozen=True)
class Parameter:
    """One argument that is sent in the path, the query or a header."""

    argument: str
    """What the model calls it."""
    name: str
    """What the API calls it."""
    place: str
    required: bool = False
    style: str = "form"
    explode: bool = True


@dataclass(frozen=True)
class Operation:
    """One operation as a tool."""

    id: str
    method: str
    path: str
    description: str
    parameters: tuple[Parameter, ...]
    schema: Mapping[str, Any]
    """Of all arguments together."""
    body: str | None = None
    """The argument that is the body; None where there is none."""
    body_type: str = JSON_TYPE


def read_document(text: bytes) -> Mapping[str, Any]:
    """A document of JSON or YAML; a ValueError says what is wrong with it."""
    if len(text) > LARGEST:
        raise ValueError(f"is larger than {LARGEST:,} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = read_yaml(text)
        except (yaml.YAMLError, ValueError):
            raise ValueError("is neither JSON nor YAML") from None
    if not isinstance(found, Mapping):
        raise ValueError("is no OpenAPI document")  # noqa: TRY004 - the same for all that is wrong with it
    return found


def choose(spec: OpenApiSpec, document: Mapping[str, Any]) -> list[Operation]:
    """The operations that are tools of an API, in the document's order; a SpecError says what does not fit."""
    try:
        known = _find(document)
    except ValueError as error:
        raise _invalid(f"{spec.path}.openapi.document: {error}") from error
    _check_names(spec, known)
    return [_read(spec, document, known, id_) for id_ in _chosen(spec, known)]


def _find(document: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """By its id, the path and the method of each operation."""
    if not str(document.get("openapi")).startswith("3."):
        raise ValueError("has no openapi: 3.x.y; convert a document of Swagger 2.0 to OpenAPI 3 first")
    known: dict[str, tuple[str, str]] = {}
    for path, item in _mapping(document.get("paths")).items():
        for method in _METHODS:
            if isinstance(path, str) and isinstance(operation := _mapping(item).get(method), Mapping):
                id_ = str(operation.get("operationId") or re.sub(r"\W+", "_", f"{method}{path}").strip("_"))
                if id_ in known:
                    raise ValueError(f"has two operations with the id {id_!r}; give each its own")
                known[id_] = (path, method)
    if not known:
        raise ValueError("has no operation under paths")
    return known


def _check_names(spec: OpenApiSpec, known: Mapping[str, object]) -> None:
    """Of all operations, and of those that wait whether they are tools: another one would run unasked."""
    waiting = {"requiresConfirmation": spec.requires_confirmation, "requiresApproval": spec.requires_approval}
    named = {
        "openapi.includeOperations": spec.include_operations,
        "openapi.excludeOperations": spec.exclude_operations,
        **waiting,
    }
    for field, names in named.items():
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known) or f"; it has {', '.join([*known][:20])}"
                raise _invalid(f"{spec.path}.{field}: the document has no operation {name!r}{hint}")
            if field in waiting and name not in _wanted(spec, known):
                raise _invalid(f"{spec.path}.{field}: {name!r} is left out of the tools; leave it out here too")


def _wanted(spec: OpenApiSpec, known: Mapping[str, object]) -> list[str]:
    return [id_ for id_ in known if id_ in (spec.include_operations or known) and id_ not in spec.exclude_operations]


def _chosen(spec: OpenApiSpec, known: Mapping[str, object]) -> list[str]:
    chosen = _wanted(spec, known)
    if not 1 <= len(chosen) <= MOST_OPERATIONS:
        raise _invalid(
            f"{spec.path}.openapi: {len(chosen)} operations would be tools, and it takes 1 to {MOST_OPERATIONS}; name"
            " those that the agent needs under includeOperations"
        )
    called: dict[str, str] = {}
    for id_ in chosen:
        if (other := called.setdefault(spec.called(id_), id_)) != id_:
            raise _invalid(
                f"{spec.path}.openapi: {other!r} and {id_!r} would both be the tool {spec.called(id_)!r}; exclude one"
            )
    return chosen


def _read(spec: OpenApiSpec, document: Mapping[str, Any], known: Mapping[str, tuple[str, str]], id_: str) -> Operation:
    try:
        return _operation(document, id_, *known[id_])
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, ValueError) else "it has too many levels"
        raise _invalid(
            f"{spec.path}.openapi.document: the operation {id_!r} cannot be a tool: {why}; correct it, or put it"
            " under excludeOperations"
        ) from error


def _operation(document: Mapping[str, Any], id_: str, path: str, method: str) -> Operation:
    if not _PATH.fullmatch(path):
        raise ValueError("its path is none; it begins with '/' and has neither '..' nor a query")
    schemas = Schemas(document)
    item = _mapping(document["paths"][path])
    said = _mapping(item[method])
    arguments: dict[str, Any] = {}
    parameters = tuple(_parameters([*_list(item, "parameters"), *_list(said, "parameters")], schemas, arguments))
    missing = set(re.findall(r"\{([^{}]*)\}", path)) - {each.name for each in parameters if each.place == "path"}
    if missing:
        raise ValueError(f"it does not say what {{{min(missing)}}} in its path is")
    body, body_type, needs_body = _body(said, schemas, arguments)
    required = [each.argument for each in parameters if each.required] + ([body] if body and needs_body else [])
    schema = {"type": "object", "properties": arguments, "required": required, "additionalProperties": False}
    if len(json.dumps(schema)) > _LARGEST_TOOL:
        raise ValueError(f"what describes its arguments is longer than {_LARGEST_TOOL:,} characters")
    words = "\n".join(str(said[field]).strip() for field in ("summary", "description") if said.get(field))
    description = (words or f"{method.upper()} {path}")[:_LONGEST_DESCRIPTION]
    return Operation(id_, method.upper(), path, description, parameters, schema, body, body_type)


def _parameters(given: list[Any], schemas: Schemas, arguments: dict[str, Any]) -> Iterator[Parameter]:
    """Those that a model may set; their schemas go into `arguments`. An operation's own hold before its path's."""
    found = {(str(each.get("in")), str(each.get("name"))): each for each in map(schemas.resolved, given)}
    for (place, name), said in found.items():
        required = place == "path" or said.get("required") is True
        if place == "header" and name.lower() in _NOT_SENT:
            continue
        if place == "cookie" and not required:
            continue
        if place not in ("path", "query", "header") or "schema" not in said:
            raise ValueError(f"its parameter {name!r} is none of the path, the query or a header with a schema")
        argument = _free(name, place, arguments)
        arguments[argument] = schemas.described(said["schema"], said.get("description"))
        style = str(said.get("style") or ("form" if place == "query" else "simple"))
        explode = said.get("explode", style == "form") is True
        yield Parameter(argument, name, place, required, style, explode)


def _free(name: str, place: str, taken: Mapping[str, Any]) -> str:
    """The name of an argument: providers take few characters, and two places may have a parameter of one name."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:64]
    if plain in taken:
        plain = f"{plain[:50]}_{place}"
    if plain in taken:
        raise ValueError(f"two of its arguments would be called {plain!r}")
    return plain


def _body(said: Mapping[str, Any], schemas: Schemas, arguments: dict[str, Any]) -> tuple[str | None, str, bool]:
    """Under which argument the model says it, its type, and whether it is needed."""
    if not said.get("requestBody"):
        return None, JSON_TYPE, False
    body = schemas.resolved(said["requestBody"])
    types = _mapping(body.get("content"))
    for type_, content in types.items():
        plain = str(type_).partition(";")[0].strip().lower()
        if plain in (JSON_TYPE, FORM_TYPE, "*/*") or plain.endswith("+json"):
            argument = _free("body", "request", arguments)
            arguments[argument] = schemas.described(_mapping(content).get("schema", {}), body.get("description"))
            return argument, JSON_TYPE if plain == "*/*" else plain, body.get("required") is True
    if body.get("required") is True:
        raise ValueError(f"its body is {' or '.join(map(str, types)) or 'of no type'}, and JSON and forms can be sent")
    return None, JSON_TYPE, False


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else []


def _invalid(message: str) -> SpecError:
    return SpecError(SpecReason.INVALID_SPEC, message)
