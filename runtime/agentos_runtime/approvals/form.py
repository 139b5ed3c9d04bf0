"""The form of `POST …/continue`: read whole, refused where agno would fail on it, and written anew for agno.

Called by continuations.py. agno passes a field it does not know on to a function that does not take it, which
ends in a 500.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from agentos_runtime.asgi import Receive, Scope, media_type, read_body, replayed
from agentos_runtime.http.bodies import FORM, MULTIPART
from agentos_runtime.http.wellformed import Refused

FIELDS = frozenset(
    {
        "tools",
        "requirements",
        "step_requirements",
        "session_id",
        "user_id",
        "stream",
        "background",
        "input",
        "continue_from",
        "fork",
        "regenerate",
        "replace_original",
        "additional_instructions",
    }
)
"""What agno's routes declare: of an agent `tools`, of a team `requirements`, of a workflow `step_requirements`."""
_FROM_THE_TOKEN = frozenset({"dependencies", "metadata", "session_state"})
"""What a run has from its token; a caller's own is ignored here as it is where the run began."""
LARGEST = 1024 * 1024
"""Bytes of a form; answers to a call are the largest part of one."""


async def read(scope: Scope, receive: Receive) -> dict[str, str]:
    """The fields; Refused where there is one too many, twice the same, or no form at all."""
    _check_kind(scope)
    body = await read_body(receive)
    if len(body) > LARGEST:
        raise Refused(413, "The form is larger than 1 MiB.")
    form = await _parse(scope, body, receive)
    names = [name for name, _ in form]
    unknown = sorted(set(names) - FIELDS - _FROM_THE_TOKEN)
    if unknown:
        raise Refused(422, "The form has fields that this route does not know.", _named(unknown, "unknown field"))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(422, "The form has a field twice.", _named(twice, "given more than once"))
    return {name: value for name, value in form if name in FIELDS}


def rewritten(scope: Scope, receive: Receive, fields: Mapping[str, str]) -> tuple[Scope, Receive]:
    """The same request with another form."""
    body = urlencode(fields).encode()
    own = {b"content-type": FORM.encode(), b"content-length": str(len(body)).encode()}
    kept = [(key, value) for key, value in scope["headers"] if key not in {*own, b"transfer-encoding"}]
    return {**scope, "headers": [*kept, *own.items()]}, replayed(body, receive)


def calls(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    """The calls under `tools`, or of the requirements that agno's clients send to teams and for the step of a workflow,
    each with what was decided."""
    given = [*_objects(fields, "tools"), *map(_call_of, _objects(fields, "requirements"))]
    step = review(fields)
    if not step:
        return given
    if "executor_requirements" not in step:
        return [*given, *_call_of_step(step)]
    inside = step["executor_requirements"]
    if not isinstance(inside, list) or not all(isinstance(each, dict) for each in inside):
        raise Refused(422, "The field executor_requirements must be a list of objects.")
    return [*given, *map(_call_of, inside)]


def review(fields: Mapping[str, str]) -> dict[str, Any]:
    """What is said about the step that waits; agno's clients send those that have waited before it as well."""
    steps = _objects(fields, "step_requirements")
    return steps[-1] if steps else {}


def _objects(fields: Mapping[str, str], name: str) -> list[dict[str, Any]]:
    text = fields.get(name, "").strip()
    try:
        value = json.loads(text) if text else []
    except (ValueError, RecursionError):
        raise Refused(400, f"The field {name} is not JSON.") from None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Refused(422, f"The field {name} must be a JSON list of tool calls.")
    return value


def _call_of(requirement: Mapping[str, Any]) -> dict[str, Any]:
    """What a requirement decides about its call; it says so in either of two places."""
    call = requirement.get("tool_execution")
    if not isinstance(call, dict):
        raise Refused(422, "Each of the requirements needs its tool_execution.")
    said = {
        "confirmed": "confirmation",
        "confirmation_note": "confirmation_note",
        "result": "external_execution_result",
    }
    return call | {name: requirement[place] for name, place in said.items() if requirement.get(place) is not None}


def _call_of_step(step: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A step that was decided about, as the call that it is to whoever decides."""
    if "confirmed" not in step:
        return []
    said = {"confirmed": step["confirmed"], "confirmation_note": step.get("rejection_feedback")}
    return [{"tool_call_id": step.get("step_id"), **said}]


def _check_kind(scope: Scope) -> None:
    if media_type(scope) not in (FORM, MULTIPART):
        raise Refused(415, "Send a form: application/x-www-form-urlencoded or multipart/form-data.")


async def _parse(scope: Scope, body: bytes, receive: Receive) -> list[tuple[str, str]]:
    """Starlette's parser, with its errors in our words."""

    try:
        async with Request(scope, replayed(body, receive)).form(max_files=0, max_fields=50) as form:
            return [(name, _text(value)) for name, value in form.multi_items()]
    except (HTTPException, MultiPartException, UnicodeDecodeError, ValueError):
        raise Refused(400, "The form cannot be read.") from None


def _text(value: UploadFile | str) -> str:
    if isinstance(value, UploadFile):
        raise ValueError("a file")  # noqa: TRY004 - it is the caller's value that is wrong
    return value


def _named(names: list[str], what: str) -> list[dict[str, str]]:
    return [{"at": f"body.{name[:64]}", "problem": what} for name in names]
