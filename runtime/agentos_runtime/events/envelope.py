"""The form of an event: CloudEvents 1.0 as JSON, with our own version in the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

VERSION = 1
"""Raised when a field goes or changes its meaning; a field may be added without."""


@dataclass(frozen=True)
class Event:
    """One row of the outbox."""

    id: str
    type: str
    at: datetime
    data: Mapping[str, Any]


def encode(event: Event, workspace: str, deployment: str) -> dict[str, str]:
    """The fields of its entry in the stream: `type`, for who picks some only, and the whole `event`."""
    type_ = f"agentos.{event.type}"
    content = {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/workspaces/{workspace}/deployments/{deployment}",
        "type": type_,
        "subject": event.data.get("approval_id") or event.data.get("run_id") or deployment,
        "time": event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {"version": VERSION, "workspace": workspace, "deployment": deployment, **event.data},
    }
    return {"type": type_, "event": json.dumps(content, ensure_ascii=False, separators=(",", ":"))}
