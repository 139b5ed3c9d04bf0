"""One JSON object per line on stderr, from every logger of the process and from whatever else prints, with
no secret in it.

Called once, before agno is imported: agno leaves a logger alone that has a level already. Its lines that
repeat what a caller sent are dropped, and what looks like a database's or Redis' URL or is one of the process's own
secrets is blotted out.
"""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

_OURS = (
    *("request_id", "method", "path", "status", "duration_ms", "schema", "to", "reason", "port", "host"),
    *("schedule", "run_id"),
)
_AGNO = ("agno", "agno-team", "agno-workflow")
_QUIET = ("httpx", "httpx2", "httpcore", "httpcore2", "uvicorn.error")
_ECHOES = ("Validation error (422)", "HTTP exception:", "Downstream server returned")
"""Beginnings of agno's lines that hold a caller's input; the request's own line has the status."""
_KNOWN = ("Durable queue heartbeat runs on the event loop", "Queued-run streams are replica-local")
"""What agno would tell at every start. Blocking tools run in threads here, and docs/runtime.md says the other."""
_URL = re.compile(r"((?:postgres(?:ql)?(?:\+\w+)?|rediss?)://)[^\s'\"]+")


class JsonLines(logging.Formatter):
    """Formats a record with the process's constant fields."""

    def __init__(self, constants: dict[str, str], secrets: Iterable[str]) -> None:
        super().__init__()
        self._constants = constants
        self._secrets = sorted((s for s in secrets if s), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """The record on one line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._clean(record.getMessage()),
            **self._constants,
        }
        line |= {name: value for name in _OURS if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            line["exception"] = self._clean(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)

    def _clean(self, text: str) -> str:
        text = _URL.sub(r"\1…", text)
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text


class _NoNoise(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith((*_ECHOES, *_KNOWN))


class _Printed(io.TextIOBase):
    """Takes the place of stdout or stderr: agno prints tracebacks, tools print what they like."""

    def __init__(self, name: str, file: int) -> None:
        self._file = file
        self._logger = logging.getLogger(name)
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._logger.warning("%s", line)
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """The stream's own, for programs that inherit it."""
        return self._file


def configure(constants: dict[str, str], secrets: Iterable[str]) -> None:
    """Route everything that is logged or printed to the one handler."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(constants, secrets))
    handler.addFilter(_NoNoise())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in (*_AGNO, *_QUIET):
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.stdout, sys.stderr = _Printed("stdout", 1), _Printed("stderr", 2)
