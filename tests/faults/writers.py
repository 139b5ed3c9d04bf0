"""Which replica wrote when, by the API server's audit log; each replica has a token of its own.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens says how a token is told
from another of the same account.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

_CREDENTIAL = "authentication.kubernetes.io/credential-id"


@dataclass(frozen=True)
class Write:
    """One write that the API server has done."""

    who: str
    """Id of the token."""
    began: datetime
    ended: datetime
    what: str
    is_of_lease: bool


def token_id(token: str) -> str:
    """What the audit log calls a token."""
    part = token.split(".")[1]
    return f"JTI={json.loads(urlsafe_b64decode(part + '=' * (-len(part) % 4)))['jti']}"


def writes_since(log: Path, offset: int, tokens: Sequence[str]) -> list[Write]:
    """What was written with ``tokens`` since the log had this size, in the order in which it began."""
    with log.open("rb") as lines:
        lines.seek(offset)
        # The last line may be half written.
        whole = [line for line in lines if line.endswith(b"\n")]
    return sorted(_writes(whole, {token_id(token) for token in tokens}), key=lambda write: write.began)


def rivals(writes: Sequence[Write]) -> list[str]:
    """Where the replicas' times of writing overlap, one line each.

    The Lease's own writes are the contest, not the work: who holds it may write from then on.
    """
    work = [write for write in writes if not write.is_of_lease]
    overlaps = [
        f"{second.who} did {second.what} at {second.began:%T.%f}, before {first.what} of {first.who} had ended"
        for first, second in pairwise(work)
        if first.who != second.who and second.began < first.ended
    ]
    return [*overlaps, *_without_the_lease(writes)]


def _without_the_lease(writes: Sequence[Write]) -> Iterator[str]:
    """Work of a replica after another one has taken the Lease."""
    taken = sorted((write for write in writes if write.is_of_lease), key=lambda write: write.ended)
    for write in writes:
        holders = [lease.who for lease in taken if lease.ended <= write.began]
        if not write.is_of_lease and holders and holders[-1] != write.who:
            yield f"{write.who} did {write.what} at {write.began:%T.%f}, when {holders[-1]} had the Lease"


def _writes(lines: Sequence[bytes], tokens: set[str]) -> Iterator[Write]:
    for line in lines:
        event = json.loads(line)
        who = event["user"].get("extra", {}).get(_CREDENTIAL, [""])[0]
        if who in tokens and event.get("responseStatus", {}).get("code", 0) < 400:
            target = event["objectRef"]
            began, ended = (_time(event[key]) for key in ("requestReceivedTimestamp", "stageTimestamp"))
            what = f"{event['verb']} {target['resource']} {target.get('name', '')}"
            yield Write(who, began, ended, what, target["resource"] == "leases")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
