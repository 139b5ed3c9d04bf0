"""The one place where it is known that an approval came into being or was decided, whichever way.

Whoever wants to tell others (an event stream, a webhook) gives app.py a listener. agno writes approvals through two
methods of its database object, from runs and from routes alike; those two are listened to.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agno.db.base import AsyncBaseDb

_LOG = logging.getLogger("agentos.approvals")


@dataclass(frozen=True)
class ApprovalEvent:
    """One approval, as agno's table has it after what happened."""

    what: Literal["created", "resolved"]
    approval: Mapping[str, Any]


Listener = Callable[[ApprovalEvent], Awaitable[None]]


def announce(database: AsyncBaseDb, listener: Listener) -> None:
    """Have a database tell of approvals; an approval stands whatever its listener does."""
    create, update = database.create_approval, database.update_approval

    async def tell(event: ApprovalEvent) -> None:
        try:
            await listener(event)
        except Exception:
            _LOG.exception("nobody was told of an approval", extra={"approval": event.approval.get("id")})

    async def create_approval(approval_data: dict[str, Any]) -> dict[str, Any] | None:
        created = await create(approval_data)
        await tell(ApprovalEvent("created", created or approval_data))
        return created

    async def update_approval(
        approval_id: str, expected_status: str | None = None, **changes: Any
    ) -> dict[str, Any] | None:
        updated = await update(approval_id, expected_status=expected_status, **changes)
        if updated is not None and "status" in changes:
            await tell(ApprovalEvent("resolved", updated))
        return updated

    # agno asks the object for the method by its name, so that the object itself has to answer.
    database.__dict__.update(create_approval=create_approval, update_approval=update_approval)
