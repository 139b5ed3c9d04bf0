"""Who asks the API server for what, by its audit log: `scale` counts the operator's own requests and writes with it.

The API server's metrics count the requests of all its clients together: of Events, for example, those of every
controller. The log has everybody's writes, and all that the operator asks for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agentos_operator.clients.kinds import LEASE

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Write:
    """One request that was answered."""

    user: str
    verb: str
    resource: str
    """Plural, with the subresource behind a slash."""


def since(log: Path, offset: int) -> list[Write]:
    """Writes that `log` has behind `offset`, its size at an earlier time."""
    return [each for each in requests(log, offset) if each.verb in _WRITES]


def requests(log: Path, offset: int) -> Iterator[Write]:
    """All requests that `log` has behind `offset`, watches aside, which never end."""
    with log.open("rb") as lines:
        lines.seek(offset)
        # The last line may be half written; it counts in the next look.
        yield from _requests(line for line in lines if line.endswith(b"\n"))


def by_resource(writes: Iterable[Write], user: str) -> Mapping[str, int]:
    """How often `user` wrote to each resource."""
    return dict(Counter(write.resource for write in writes if write.user == user))


def by_verb(requests: Iterable[Write], user: str) -> Mapping[str, int]:
    """How often `user` asked for what, as `verb resource`."""
    return dict(Counter(f"{each.verb} {each.resource}" for each in requests if each.user == user))


def by_user(writes: Iterable[Write]) -> Mapping[str, int]:
    """How often each user wrote to each resource, as `user resource`."""
    return dict(Counter(f"{write.user} {write.resource}" for write in writes))


def _requests(lines: Iterable[bytes]) -> Iterator[Write]:
    """Leases aside, which every controller renews all the time."""
    for line in lines:
        event = json.loads(line)
        target = event.get("objectRef", {})
        if target.get("resource") == LEASE.plural or event["verb"] == "watch":
            continue
        parts = (target.get("resource", event["requestURI"]), target.get("subresource"))
        yield Write(event["user"]["username"], event["verb"], "/".join(part for part in parts if part))
