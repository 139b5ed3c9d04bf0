"""What counts as two writers."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.faults.writers import Write, rivals, token_id, writes_since

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def write(who: str, began: float, ended: float, *, lease: bool = False) -> Write:
    begin, end = (NOON + timedelta(seconds=seconds) for seconds in (began, ended))
    return Write(who, begin, end, "patch secrets x", lease)


def test_one_after_the_other_is_no_rivalry() -> None:
    assert not rivals([write("a", 0, 1, lease=True), write("a", 2, 3), write("b", 4, 5, lease=True), write("b", 6, 7)])


def test_a_write_that_begins_before_another_replica_s_has_ended_is_one() -> None:
    assert len(rivals([write("a", 2, 5), write("b", 4, 6)])) == 1


def test_a_write_after_another_replica_has_taken_the_lease_is_one() -> None:
    (said,) = rivals([write("a", 0, 1, lease=True), write("b", 4, 5, lease=True), write("a", 6, 7)])
    assert "when b had the Lease" in said


def test_refused_writes_and_those_of_others_do_not_count(tmp_path: Path) -> None:
    token = f"x.{urlsafe_b64encode(json.dumps({'jti': 'mine'}).encode()).decode().rstrip('=')}.y"
    log = tmp_path / "audit.log"
    lines = [event("mine", 200), event("mine", 409), event("other", 200)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (found,) = writes_since(log, 0, [token])
    assert (found.who, found.what) == (token_id(token), "patch secrets x")


def event(token: str, code: int) -> dict[str, object]:
    return {
        "user": {"extra": {"authentication.kubernetes.io/credential-id": [f"JTI={token}"]}},
        "verb": "patch",
        "objectRef": {"resource": "secrets", "name": "x"},
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": "2026-11-28T12:00:00.000000Z",
        "stageTimestamp": "2026-11-28T12:00:00.100000Z",
    }
