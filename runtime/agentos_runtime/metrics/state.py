"""`GET /state` on the metrics port: what the operator asks for, and tells in the AgentDeployment's status.

Small, and without anything that a caller of agents has sent. It stands beside the metrics because nobody but the
platform is let through to that port.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

_PATH = "/state"
_HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class State:
    """The versions of this process, and how its MCP servers are once they are known."""

    def __init__(self, versions: Mapping[str, str]) -> None:
        self._versions = versions
        self.servers: Callable[[], Sequence[Mapping[str, str]]] = list
        """Asked for each answer; knows of none until the application is built."""

    def document(self) -> bytes:
        """What is answered; from a thread of its own, which only reads."""
        return json.dumps({**self._versions, "mcpServers": list(self.servers())}).encode()

    def before(self, app: Wsgi) -> Wsgi:
        """Answers at its path; every other one is the application's."""

        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            if environ["PATH_INFO"] != _PATH:
                return app(environ, start_response)
            start_response("200 OK", list(_HEADERS))  # the server adds to it
            return [self.document()]

        return answer
