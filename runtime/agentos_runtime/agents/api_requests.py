"""From an operation and what a model said to the request that it stands for. Pure; called by `openapi`.

Values are put where OpenAPI's styles have them. None can leave its place: a value in a path is one segment of it, one
in a header is one line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from agentos_spec.errors import did_you_mean
from agentos_spec.operations import FORM_TYPE, Operation, Parameter

_SEPARATORS = {"spaceDelimited": " ", "pipeDelimited": "|"}
_DOTS = frozenset({"", ".", ".."})


@dataclass(frozen=True)
class ApiRequest:
    """What follows the base URL, and what goes along."""

    method: str
    target: str
    """Path and query, encoded."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def build_request(operation: Operation, arguments: Mapping[str, Any]) -> ApiRequest:
    """The request; a ValueError says to the model what it has to say otherwise."""
    said = {name: value for name, value in arguments.items() if value is not None}
    _check(operation, said)
    headers: dict[str, str] = {}
    query: list[tuple[str, str]] = []
    values: dict[str, str] = {}
    for parameter in operation.parameters:
        if parameter.argument not in said:
            continue
        value = said[parameter.argument]
        if parameter.place == "path":
            values[parameter.name] = _segment(parameter, value)
        elif parameter.place == "header":
            headers[parameter.name] = _line(parameter, value)
        else:
            query += _pairs(parameter, value)
    # In one go, or a value that looks like the place of another would be taken for it.
    path = re.sub(r"\{([^{}]*)\}", lambda match: values[match[1]], operation.path)
    target = quote(path, safe="/%:@!$&'()*+,;=~-._") + (f"?{urlencode(query, quote_via=quote)}" if query else "")
    if operation.body is None or operation.body not in said:
        return ApiRequest(operation.method, target, headers)
    body = _body(operation, said[operation.body])
    return ApiRequest(operation.method, target, {**headers, "content-type": operation.body_type}, body)


def _check(operation: Operation, said: Mapping[str, Any]) -> None:
    """That arguments are those of the operation. Of what form they are the API says better."""
    known = operation.schema["properties"]
    for name in said:
        if name not in known:
            there = did_you_mean(name, known) or f"; it takes {', '.join(known) or 'none'}"
            raise ValueError(f"there is no argument {name!r}{there}")
    for name in operation.schema["required"]:
        if name not in said:
            raise ValueError(f"the argument {name!r} is missing")


def _segment(parameter: Parameter, value: Any) -> str:
    text = ",".join(_texts(value))
    if text in _DOTS:
        raise ValueError(f"the argument {parameter.argument!r} must not be empty, '.' or '..'")
    return quote(text, safe=",")


def _line(parameter: Parameter, value: Any) -> str:
    text = ",".join(_texts(value))
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"the argument {parameter.argument!r} must be one line of plain characters")
    return text


def _pairs(parameter: Parameter, value: Any) -> Iterator[tuple[str, str]]:
    name = parameter.name
    if isinstance(value, Mapping):
        if parameter.style == "deepObject":
            yield from ((f"{name}[{key}]", _text(each)) for key, each in value.items())
        elif parameter.explode:
            yield from ((str(key), _text(each)) for key, each in value.items())
        else:
            yield name, ",".join(_texts(value))
    elif isinstance(value, list) and parameter.explode:
        yield from ((name, _text(each)) for each in value)
    else:
        yield name, _SEPARATORS.get(parameter.style, ",").join(_texts(value))


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for key, each in value.items() for text in (str(key), _text(each))]
    return [_text(each) for each in value] if isinstance(value, list) else [_text(value)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _body(operation: Operation, value: Any) -> bytes:
    if operation.body_type != FORM_TYPE:
        return json.dumps(value, ensure_ascii=False).encode()
    if not isinstance(value, Mapping):
        raise ValueError(f"the argument {operation.body!r} must be an object")  # noqa: TRY004 - told as all others are
    pairs = [(str(key), each) for key, given in value.items() for each in _texts_of_form(given)]
    return urlencode(pairs).encode()


def _texts_of_form(value: Any) -> list[str]:
    return [_text(each) for each in value] if isinstance(value, list) else [_text(value)]
