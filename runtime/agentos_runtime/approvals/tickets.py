"""A place in agno's queue for a run that paused outside of it and is continued with `background=true`.

agno continues only runs that were in its queue there; others it continues in the process that was asked, where nobody
renews a lease: after `kill -9` such a run would say RUNNING for ever. With a ticket it is taken, leased and given up
like every background run (docs/decisions/0021).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from agno.db.base import AsyncBaseDb
from agno.db.schemas.jobs import QueuedJob
from agno.os.job_queue import queue_scope
from sqlalchemy.exc import IntegrityError

_TYPES = {"agents": "agent", "teams": "team", "workflows": "workflow"}


@dataclass(frozen=True)
class Paused:
    """A run that waits, as its stored row and its route say."""

    run: str
    kind: str
    """agents, teams or workflows."""
    component: str
    session: str
    user: str | None


class Tickets:
    """The queue of one deployment."""

    def __init__(self, database: AsyncBaseDb, deployment: str) -> None:
        self._database: Any = database
        self._deployment = deployment

    async def park(self, run: Paused, *, streams: bool) -> None:
        """Have the run wait in the queue as one that paused there; whoever calls has claimed its pause."""
        ticket = QueuedJob(
            id=run.run,
            component_type=_TYPES[run.kind],
            component_id=run.component,
            session_id=run.session,
            user_id=run.user,
            deployment_id=self._deployment,
            payload={"stream": streams, "scope": queue_scope(run.user, None, source="registry")},
            status="paused",
        )
        with suppress(IntegrityError):  # it has one: it was in the queue before
            await self._database.enqueue_job(ticket.to_dict())
