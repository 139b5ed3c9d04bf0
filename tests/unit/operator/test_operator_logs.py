"""Log lines are JSON, one object a line, and never quote an exception."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from agentos_operator.logs import JsonFormatter


def line(message: str, *arguments: object, error: BaseException | None = None) -> str:
    """What is written for one record."""
    information: Any = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("agentos", logging.WARNING, "file.py", 1, message, arguments, information)
    return JsonFormatter().format(record)


def test_a_line_tells_when_how_bad_who_and_what() -> None:
    told = json.loads(line("reconciling %s", "acme"))
    assert told.keys() == {"time", "level", "logger", "message"}
    assert (told["level"], told["logger"], told["message"]) == ("warning", "agentos", "reconciling acme")
    assert told["time"].endswith("+00:00")


def test_an_exception_is_named_and_its_text_and_trace_stay_unsaid() -> None:
    def log_in() -> None:
        raise ConnectionError("postgresql://u:planted-password@host/db")

    try:
        log_in()
    except ConnectionError as error:
        written = line("it failed", error=error)
    assert json.loads(written)["exception"] == "ConnectionError"
    assert "planted" not in written
    assert "Traceback" not in written


def test_a_message_cannot_forge_a_second_line() -> None:
    assert "\n" not in line('one\n{"level": "info"}\r\ntwo')


def test_a_record_made_outside_an_exception_has_none() -> None:
    record = logging.LogRecord("a", logging.INFO, "f", 1, "m", (), sys.exc_info())
    assert "exception" not in json.loads(JsonFormatter().format(record))
