"""One JSON object per line on stderr, from every logger of the process, with no secret in it.

agno prints through rich, uvicorn in its own format; both are brought here. Lines of agno that repeat what a
caller sent are dropped, and what looks like a database URL or is one of the process's own secrets is
blotted out.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime

_OURS = ("request_id", "method", "path", "status", "duration_ms", "schema", "to", "reason", "port", "host")
_AGNO = ("agno", "agno-team", "agno-workflow")
_ECHOES = ("Validation error (422)", "HTTP exception:", "Downstream server returned")
"""Beginnings of agno's lines that hold a caller's input; the request's own line has the status."""
_URL = re.compile(r"(postgres(?:ql)?(?:\+\w+)?://)[^\s'\"]+")


class JsonLines(logging.Formatter):
    """Formats a record with the process's constant fields."""

    def __init__(self, constants: dict[str, str], secrets: Iterable[str]) -> None:
        super().__init__()
        self._constants = constants
        self._secrets = sorted((s for s in secrets if s), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._clean(record.getMessage()),
            **self._constants,
        }
        line |= {k: v for k in _OURS if (v := getattr(record, k, None)) is not None}
        if record.exc_info:
            line["exception"] = self._clean(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)

    def _clean(self, text: str) -> str:
        text = _URL.sub(r"\1…", text)
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text


class _NoEchoes(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(_ECHOES)


def configure(constants: dict[str, str], secrets: Iterable[str]) -> None:
    """Route every logger here. Called before agno is imported, and once after: it adds its own handlers."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(constants, secrets))
    handler.addFilter(_NoEchoes())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in (*_AGNO, "uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in (*_AGNO, "httpx", "httpcore", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True
