"""A runtime whose calls wait for a decision, as the tests of approvals ask it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import httpx


@dataclass(frozen=True)
class Guarded:
    """Its guarded function writes a line to `file`, so that a test sees how often it ran and with what."""

    url: str
    file: Path
    token: Callable[..., str]
    owner: ClassVar[Sequence[str]] = ()
    """Scopes of whoever asks."""

    def ask(self, method: str, path: str, user: str = "alice", scopes: Any = None, **more: Any) -> httpx.Response:
        scopes = list(self.owner) if scopes is None else scopes
        headers = {"Authorization": f"Bearer {self.token(sub=user, scopes=scopes)}"}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def script(self, word: str, call: str = "run_shell_command") -> str:
        """What makes the scripted model call the function."""
        return f"call {call} " + json.dumps({"args": ["sh", "-c", f"echo {word} >> {self.file}"]})

    def continued(
        self, component: str, run: dict[str, Any], decision: dict[str, Any] | None, user: str, stream: bool
    ) -> httpx.Response:
        """The answer to a decision about a run of `/teams/…` or `/workflows/…`."""
        sent = {name: json.dumps(value) for name, value in (decision or {}).items()}
        sent |= {"session_id": run["session_id"], "stream": str(stream).lower()}
        return self.ask("POST", f"{component}/runs/{run['run_id']}/continue", user, data=sent)

    def written(self, word: str) -> int:
        """How often a call ran."""
        return self.file.read_text().split().count(word) if self.file.exists() else 0
