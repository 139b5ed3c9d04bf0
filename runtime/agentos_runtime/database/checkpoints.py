"""Which checkpoints of runs are kept: those of runs that somebody looks after when their process is gone.

With `checkpoint: tool-batch` agno writes a run as RUNNING each time that its tools have answered. One in the background
has a ticket in the queue, by which another pod finds it. One in the foreground ends with its connection, and after
`kill -9` nobody would ever end what was written of it; a run that waits for a decision is to wait on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agno.db.base import AsyncBaseDb
from agno.run.base import RunStatus
from sqlalchemy import select

_LOOKED_AFTER = (RunStatus.pending.value, RunStatus.running.value)


class _Checkpoints:
    """Before one of agno's databases."""

    async def upsert_run(self, run: Any, session_id: str, *args: Any, **more: Any) -> None:
        """Write a run, but nothing over its end, its pause or nothing while it is under way."""
        if not _is_midway(run) or await self._status(run.run_id) in _LOOKED_AFTER:
            database: Any = super()
            await database.upsert_run(run, session_id, *args, **more)

    async def _status(self, run_id: str) -> str | None:
        database: Any = self
        runs = await database._get_table(table_type="runs", create_table_if_not_found=True)
        async with database.async_session_factory() as session:
            status: str | None = (await session.execute(select(runs.c.status).where(runs.c.run_id == run_id))).scalar()
        return status


def _is_midway(run: Any) -> bool:
    """A checkpoint: only those have the index, and what ends a run has another status."""
    is_running = getattr(run, "status", None) == RunStatus.running
    return is_running and getattr(run, "last_checkpoint_at_message_index", None) is not None


def keeping_checkpoints(database: type[AsyncBaseDb]) -> Callable[..., AsyncBaseDb]:
    """The same class, under its own name, by which agno tells what it can do."""
    return type(database.__name__, (_Checkpoints, database), {})
