"""Who writes to the API server, by its audit log: `scale` counts the operator's own writes with it.

The API server's metrics count the writes of all its clients together: of Events, for example, those of every
controller.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agentos_operator.clients.kinds import LEASE


@dataclass(frozen=True)
class Write:
    """One request that was answered."""

    user: str
    resource: str
    """Plural, with the subresource behind a slash."""


def since(log: Path, offset: int) -> list[Write]:
    """What was written to `log` behind `offset`, its size at an earlier time."""
    with log.open("rb") as lines:
        lines.seek(offset)
        # The last line may be half written; it counts in the next look.
        return list(_writes(line for line in lines if line.endswith(b"\n")))


def by_resource(writes: Iterable[Write], user: str) -> Mapping[str, int]:
    """How often `user` wrote to each resource."""
    return dict(Counter(write.resource for write in writes if write.user == user))


def by_user(writes: Iterable[Write]) -> Mapping[str, int]:
    """How often each user wrote to each resource, as `user resource`."""
    return dict(Counter(f"{write.user} {write.resource}" for write in writes))


def _writes(lines: Iterable[bytes]) -> Iterator[Write]:
    """Leases aside, which every controller renews all the time."""
    for line in lines:
        event = json.loads(line)
        target = event.get("objectRef", {})
        if target.get("resource") == LEASE.plural:
            continue
        parts = (target.get("resource", event["requestURI"]), target.get("subresource"))
        yield Write(event["user"]["username"], "/".join(part for part in parts if part))
