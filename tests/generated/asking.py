"""The API server as an oracle: it is asked what it would do, and keeps nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from agentos_operator.clients.kinds import KINDS
from agentos_operator.clients.kubernetes import yaml_of
from local.api import Api

Object = dict[str, Any]
_DRY = "dryRun=All&fieldManager=agentos-operator"


@dataclass(frozen=True)
class Answer:
    """What it says."""

    status: int
    stored: Object
    """The object with all defaults; empty where it is refused."""
    message: str
    """Why it is refused."""

    @property
    def accepted(self) -> bool:
        """Whether it would be taken."""
        return 200 <= self.status < 300

    @property
    def orderly(self) -> bool:
        """Whether it is an answer about the object, and not that something broke."""
        return self.accepted or self.status in (400, 413, 422)


@dataclass(frozen=True)
class Asking:
    """One API server."""

    api: Api

    def create(self, body: Object) -> Answer:
        """A user creates it, and no field may be unknown."""
        path = KINDS[body["kind"]].path(None, body["metadata"].get("namespace"))
        return self._ask("POST", f"{path}?{_DRY}&fieldValidation=Strict", json.dumps(body).encode(), "application/json")

    def apply(self, body: Object) -> Answer:
        """The operator applies it."""
        metadata = body["metadata"]
        path = KINDS[body["kind"]].path(metadata["name"], metadata.get("namespace"))
        media = "application/apply-patch+yaml"
        return self._ask("PATCH", f"{path}?{_DRY}&force=true", yaml_of(body), media)

    def _ask(self, method: str, path: str, body: bytes, media: str) -> Answer:
        status, text = self.api.request(method, path, body, media)
        answer = json.loads(text) if text else {}
        accepted = 200 <= status < 300
        return Answer(status, answer if accepted else {}, "" if accepted else str(answer.get("message", text)))
