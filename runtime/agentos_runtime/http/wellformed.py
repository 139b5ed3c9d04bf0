"""What a value of a request may hold, whichever way it came: path, query, form or JSON.

PostgreSQL stores neither NUL nor half of a surrogate pair, and agno logs such an error and answers 200. An id of a
megabyte does not fit into an index. So they are refused here, before anything has run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

LONGEST_ID = 255
"""Characters of a session's, run's or any other id."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NOT_IN_IDS = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Control characters, separators of paths, and characters that nobody sees."""


class Refused(Exception):
    """A request that is answered without agno: the status, a sentence for its sender, and what is wrong where."""

    def __init__(self, status: int, detail: str, errors: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors


def check_text(text: str) -> None:
    """Refuse what no database can hold."""
    if _UNSTORABLE.search(text):
        raise Refused(400, "The request holds a NUL or another character that cannot be stored.")


def check_named(name: str, value: str) -> None:
    """A value with a name, of a form or a query; those that end in _id are identifiers."""
    check_text(name)
    check_text(value)
    if name.endswith("_id"):
        check_id(name, value)


def check_time(name: str, value: str) -> None:
    """A time of a query; agno answers 500 to one that it cannot read."""
    try:
        datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused(422, f"{name} must be a time of ISO 8601, such as 2026-11-19T10:00:00Z.") from error


def check_id(name: str, value: str) -> None:
    """Refuse an identifier that cannot stand in a path, an index or a log."""
    if len(value) > LONGEST_ID or _NOT_IN_IDS.search(value):
        raise Refused(422, f"{name} must have at most {LONGEST_ID} characters, without slashes and control characters.")


def parse_json(text: str | bytes, deepest: int) -> Any:
    """The value of a JSON text that can be stored and is nested no deeper; ValueError where it is no JSON."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise _too_deep(deepest) from error
    _walk(value, deepest, deepest)
    return value


def _no_constant(name: str) -> NoReturn:
    """NaN and Infinity are Python's, not JSON's."""
    raise ValueError(name)


def _walk(value: Any, left: int, deepest: int) -> None:
    if isinstance(value, str):
        check_text(value)
        return
    if not isinstance(value, (dict, list)):
        return
    if not left:
        raise _too_deep(deepest)
    if isinstance(value, Mapping):
        for name, below in value.items():
            check_named(name, below if isinstance(below, str) else "")
            _walk(below, left - 1, deepest)
    else:
        for below in value:
            _walk(below, left - 1, deepest)


def _too_deep(deepest: int) -> Refused:
    return Refused(400, f"The request's JSON is nested more than {deepest} levels deep.")
