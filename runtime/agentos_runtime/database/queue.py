"""agno's queue for background runs: what was accepted is in the database before the caller is told so.

A pod holds a lease on each run that it executes and renews it. After `kill -9` nobody does, and whichever pod of the
workspace looks next turns the run into an ERROR that its caller sees. A run that was accepted and had not begun is
executed by the next pod. docs/decisions/0021 says why this is agno's queue and not one of ours.
"""

from __future__ import annotations

import asyncio
from typing import Any

from agno.db.base import AsyncBaseDb
from agno.os import QueueConfig
from sqlalchemy import func, select
from starlette.exceptions import HTTPException

from agentos_runtime.http.attachments import FIELD, taken
from agentos_runtime.settings import Settings
from agentos_spec import Limits

_LEASE_SECONDS = 60
_WAITING = 10
"""How many background runs there may be, for each that may be executed at once."""
_RETRY = {"Retry-After": "5"}
_LOOK_SECONDS = 15.0
"""How often a pod looks for runs of others that were left behind; its own it executes at once."""


class PatientQueue:
    """agno's tables as its queue, out of which nothing is taken before this process can execute it."""

    def __init__(self, database: AsyncBaseDb, warm: asyncio.Event, most_per_user: int) -> None:
        self._database: Any = database
        self._warm = warm
        self._most_per_user = most_per_user

    async def claim_job(self, *args: Any, **options: Any) -> Any:
        """agno's worker starts with the server, before models are imported and tables are made."""
        await self._warm.wait()
        return _with_attachments(await self._database.claim_job(*args, **options))

    async def enqueue_job(self, job: dict[str, Any], max_depth: int = 0) -> Any:
        """Accept a run, unless its user has as many as one may have."""
        if await self._of_one_user(job) >= self._most_per_user:
            raise HTTPException(429, "Too many background runs by this user. Try again later.", _RETRY)
        return await self._database.enqueue_job(job, max_depth)

    async def sweep_exhausted_jobs(self, *args: Any, **options: Any) -> Any:
        """As above: there may be no table yet."""
        await self._warm.wait()
        return await self._database.sweep_exhausted_jobs(*args, **options)

    async def get_job(self, job_id: str) -> Any:
        """The worker looks for a table when it starts, before the port is open; there is no job by its name."""
        return await self._database.get_job(job_id) if self._warm.is_set() else None

    async def _of_one_user(self, job: dict[str, Any]) -> int:
        """How many wait or are executed, in whichever pod."""
        jobs = await self._database._get_table(table_type="jobs", create_table_if_not_found=True)
        mine = (jobs.c.user_id == job["user_id"], jobs.c.deployment_id == job["deployment_id"])
        asked = select(func.count()).where(*mine, jobs.c.status.in_(("queued", "running")))
        async with self._database.async_session_factory() as session:
            return int((await session.execute(asked)).scalar() or 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def _with_attachments(job: dict[str, Any] | None) -> dict[str, Any] | None:
    """Files as agno's agents take them; the ticket keeps them as text."""
    payload = (job or {}).get("payload") or {}
    if job is None or FIELD not in payload.get("kwargs", {}):
        return job
    return {**job, "payload": {**payload, "kwargs": taken(payload["kwargs"])}}


def queue_config(settings: Settings, limits: Limits, database: AsyncBaseDb, warm: asyncio.Event) -> QueueConfig | None:
    """The queue of this deployment; a laptop's SQLite has none."""
    if settings.database.is_sqlite:
        return None
    return QueueConfig(
        durable=True,
        db=PatientQueue(database, warm, _WAITING * limits.concurrent_runs_per_user),
        max_concurrency=limits.concurrent_runs,
        max_queue_depth=_WAITING * limits.concurrent_runs,
        # Once and no more: tools have effects, and a run that is repeated would have them twice.
        max_attempts=1,
        # Deployments of a workspace share its tables, and each has agents that the others do not know.
        deployment_id=settings.deployment,
        lock_grace_seconds=_LEASE_SECONDS,
        stop_timeout_seconds=settings.shutdown_seconds,
        poll_interval=_LOOK_SECONDS,
    )
