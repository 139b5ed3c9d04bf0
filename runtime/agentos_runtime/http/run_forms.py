"""The form that begins a run: agno passes every field that its route does not name on to the agent's own function.

So a caller could name the `run_id` of somebody else's run and write over it, have the pod read a file by its
`filepath`, or end the request with a 500. What has no meaning here is dropped; what is a way to another's data, or to
the pod's, is refused. Background runs are brought into a form in which agno's queue takes them
(docs/decisions/0042).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from agentos_runtime.asgi import App, Receive, Scope, Send, media_type, read_body, replayed
from agentos_runtime.http.attachments import FIELD, IN_JSON, Upload, as_text
from agentos_runtime.http.bodies import FORM, MULTIPART
from agentos_runtime.http.problems import send_problem
from agentos_runtime.http.wellformed import Refused

NAMED = frozenset(
    {
        *("message", "stream", "session_id", "user_id", "files", "files_metadata", "version", "background"),
        *("factory_input", "stream_events", "knowledge_filters", "output_schema", "use_json_schema"),
        *("add_history_to_context", "add_dependencies_to_context", "add_session_state_to_context"),
        *("dependencies", "metadata", "session_state", "additional_data"),
        *IN_JSON,
    }
)
"""What agno's routes declare, and what else of a run a caller may say."""
_ROUTE = re.compile(r"/(agents|teams|workflows)/[^/]+/runs/?")
_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_ELSEWHERE = ("filepath", "url", "external", "media_reference")
"""Of a file in JSON: where the pod would look for its content."""
Field = tuple[str, str | Upload]


class RunForms:
    """Hands on the form that is meant, or answers why not."""

    def __init__(self, app: App, *, queued: bool) -> None:
        self._app = app
        self._queued = queued

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _begins_a_run(scope):
            await self._app(scope, receive, send)
            return
        try:
            request = await self._meant(scope, receive)
        except Refused as refused:
            await send_problem(scope, send, refused.status, refused.detail, errors=refused.errors or None)
        else:
            await self._app(*request, send)

    async def _meant(self, scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
        body = await read_body(receive)
        given = await _parsed(scope, body, receive)
        fields = [field for field in given if field[0] in NAMED]
        texts = {name: value for name, value in fields if isinstance(value, str)}
        _check_files_in_json(texts)
        if not isinstance(_json(texts.get("additional_data") or "{}"), dict):
            raise _refused("additional_data", "must be a mapping, as JSON")
        if self._queued and is_true(texts, "background"):
            fields = _for_the_queue(fields, texts, takes_uploads=not scope["path"].startswith("/workflows/"))
        if fields == given:
            return scope, replayed(body, receive)
        return _rewritten(scope, receive, fields)


def is_true(fields: Mapping[str, str], name: str, *, left_out: bool = False) -> bool:
    """A boolean of a form as FastAPI reads it."""
    return fields[name].strip().lower() in _TRUE if name in fields else left_out


def _begins_a_run(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "POST" or not _ROUTE.fullmatch(scope["path"]):
        return False
    return media_type(scope) in (FORM, MULTIPART)


async def _parsed(scope: Scope, body: bytes, receive: Receive) -> list[Field]:
    """By the parser that agno's routes use, so that nothing is one thing here and another there."""
    try:
        async with Request(scope, replayed(body, receive)).form() as form:
            return [(name, await _read(value)) for name, value in form.multi_items()]
    except (HTTPException, MultiPartException, UnicodeDecodeError, ValueError):
        raise Refused(400, "The form cannot be read.") from None


async def _read(value: UploadFile | str) -> str | Upload:
    if isinstance(value, str):
        return value
    return Upload(value.filename or "", value.content_type or "", await value.read())


def _check_files_in_json(texts: Mapping[str, str]) -> None:
    for name in texts.keys() & IN_JSON.keys():
        entries = _json(texts[name])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise _refused(name, "must be a list of files")
        for entry in entries:
            if wrong := [word for word in _ELSEWHERE if entry.get(word) is not None]:
                raise _refused(name, f"has {wrong[0]}; a file is sent with its content")


def _for_the_queue(fields: Sequence[Field], texts: Mapping[str, str], *, takes_uploads: bool) -> list[Field]:
    """The same run in JSON alone; Refused where it cannot be said so."""
    if "output_schema" in texts and not is_true(texts, "use_json_schema"):
        raise _refused("output_schema", "needs use_json_schema=true in a background run")
    if "knowledge_filters" in texts and not _is_plain(_json(texts["knowledge_filters"])):
        raise _refused("knowledge_filters", "must be plain names and values in a background run")
    uploads = [value for name, value in fields if name == "files" and isinstance(value, Upload)]
    in_json = {name: texts[name] for name in IN_JSON if name in texts}
    if not uploads and not in_json:
        return list(fields)
    if uploads and not takes_uploads:
        raise _refused("files", "cannot be uploaded to a workflow in the background")
    kept = [field for field in fields if field[0] not in {*IN_JSON, "files", "files_metadata"}]
    return [*kept, (FIELD, as_text(uploads, texts.get("files_metadata"), in_json))]


def _is_plain(filters: Any) -> bool:
    """agno makes objects, which the queue does not hold, of what has an operator."""
    entries = filters if isinstance(filters, list) else [filters]
    return all(isinstance(entry, dict) and "op" not in entry for entry in entries)


def _json(text: str) -> Any:
    """None for what is no JSON, and for the numbers that only Python takes for it."""
    try:
        return json.loads(text, parse_constant=lambda _: json.loads(""))
    except (ValueError, RecursionError):
        return None


def _refused(name: str, problem: str) -> Refused:
    return Refused(422, "The request does not have the expected form.", [{"at": f"body.{name}", "problem": problem}])


def _rewritten(scope: Scope, receive: Receive, fields: Sequence[Field]) -> tuple[Scope, Receive]:
    """The same request with another form."""
    kind, body = _encoded(fields)
    own = {b"content-type": kind.encode(), b"content-length": str(len(body)).encode()}
    kept = [(key, value) for key, value in scope["headers"] if key not in {*own, b"transfer-encoding"}]
    return {**scope, "headers": [*kept, *own.items()]}, replayed(body, receive)


def _encoded(fields: Sequence[Field]) -> tuple[str, bytes]:
    if not any(isinstance(value, Upload) for _, value in fields):
        return FORM, urlencode(fields).encode()
    import httpx  # noqa: PLC0415 - needed for a form that has files and something that has no meaning, and then alone

    parts: list[Any] = [
        (name, (value.filename, value.content, value.media_type) if isinstance(value, Upload) else (None, value))
        for name, value in fields
    ]
    request = httpx.Request("POST", "http://runtime", files=parts)
    return request.headers["content-type"], request.read()
