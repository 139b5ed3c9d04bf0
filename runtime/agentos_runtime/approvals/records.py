"""Approval records as the decisions they hold; read and resolved through agno's database.

A record is resolved by whoever is first: agno's update names the status it expects, and that is one statement.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from agno.db.base import AsyncBaseDb

from agentos_runtime.approvals.decision import Call, Verdict
from agentos_runtime.http.wellformed import Refused


async def verdicts(database: AsyncBaseDb, runs: Collection[str], calls: Sequence[Call]) -> dict[str, Verdict | None]:
    """What is decided about each record that the calls name; None where it is still pending. `runs`: whose they are."""
    found: dict[str, Verdict | None] = {}
    for id_ in {str(call["approval_id"]) for call in calls if call.get("approval_id")}:
        record = await database.get_approval(id_)
        if record is None or record["run_id"] not in runs:
            raise Refused(409, "The approval of this call is gone or belongs to another run; start a new run.")
        found[id_] = _verdict(record)
    return found


async def resolve(database: AsyncBaseDb, id_: str, calls: Sequence[Call], user: str) -> None:
    """Write down what was decided about the calls of one record; whoever was faster stays."""
    by_call = {str(call["tool_call_id"]): bool(call["confirmed"]) for call in calls}
    notes = [str(call["confirmation_note"]) for call in calls if call.get("confirmation_note")]
    data: dict[str, Any] = {"note": "; ".join(notes)} if notes else {}
    if len(set(by_call.values())) > 1:
        data["by_call"] = by_call
    status = "approved" if any(by_call.values()) else "rejected"
    await _update(database, id_, status, user, **({"resolution_data": data} if data else {}))


async def cancel(database: AsyncBaseDb, run_id: str, user: str) -> None:
    """Nobody needs to decide any more about a run that was cancelled."""
    pending, _ = await database.get_approvals(run_id=run_id, status="pending")
    for record in pending:
        await _update(database, record["id"], "cancelled", user)


async def _update(database: AsyncBaseDb, id_: str, status: str, user: str, **more: Any) -> None:
    now = int(time.time())
    await database.update_approval(
        id_, expected_status="pending", status=status, resolved_by=user, resolved_at=now, **more
    )


def _verdict(record: Mapping[str, Any]) -> Verdict | None:
    status = record["status"]
    if status == "pending":
        return None
    if status not in ("approved", "rejected"):
        raise Refused(409, f"The approval of this call is {status}.")
    data = record.get("resolution_data") or {}
    note, by_call = data.get("note"), data.get("by_call")
    return Verdict(
        approved=status == "approved",
        note=note if isinstance(note, str) else None,
        by_call={k: v for k, v in by_call.items() if isinstance(v, bool)} if isinstance(by_call, dict) else {},
    )
