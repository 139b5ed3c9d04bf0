"""What replicas know of schedules: rows of agno's own tables, where administrators read them.

Nothing here says when a schedule fires; that every replica knows from its spec. A firing is a row whose key names the
time, so that it can be taken once. It is `running` without a run from then until the run was accepted; a row that stays
so belongs to a process that died, and any other takes it over with the session that the dead one had chosen.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import MetaData, case, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agentos_runtime.schedules.tables import firings_table, runs_table, schedules_table
from agentos_spec import ScheduleSpec

KEPT_SECONDS = 30 * 24 * 3600
"""What was fired longer ago is forgotten; the runs themselves stay with their sessions."""
_ENDED = {"COMPLETED": "success", "PAUSED": "paused", "ERROR": "failed", "CANCELLED": "failed"}
"""agno's statuses of a run that came to something, and what agno's scheduler calls a firing with such a run."""
NO_LONGER = "no longer declared"


@dataclass(frozen=True)
class Firing:
    """One run that a schedule begins."""

    id: str
    schedule: str
    """The key of the schedule."""
    session: str
    """Of this firing alone, and known to nobody before: it keeps agno from accepting the same one twice as well."""
    since: int
    """When it was first tried, in seconds of the epoch."""
    attempt: int = 1


@dataclass(frozen=True)
class Declared:
    """A schedule as it is to stand in the table."""

    key: str
    spec: ScheduleSpec
    next_run_at: float


class Records:
    """The rows of one deployment's schedules."""

    def __init__(self, engine: AsyncEngine, schema: str, deployment: str, now: Callable[[], float] = time.time) -> None:
        metadata = MetaData(schema=schema or None)
        self._engine = engine
        self.now = now
        self._prefix = f"{deployment}."
        self._schedules = schedules_table(metadata)
        self._firings = firings_table(metadata)
        self._runs = runs_table(metadata)
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    def key(self, spec: ScheduleSpec) -> str:
        """Neither name holds a dot, and agno's own ids do not either."""
        return self._prefix + spec.id

    async def declare(self, schedules: Iterable[Declared]) -> dict[str, int]:
        """Write down what is declared; by key, the time up to which all is accounted for.

        That is the last firing that was taken; of a schedule that is new, that was suspended or that has another time
        than it had, it is now.
        """
        declared = sorted(schedules, key=lambda each: each.key)  # or two replicas could wait for one another
        async with self._engine.begin() as connection:
            await self._retire(connection, [each.key for each in declared])
            return {each.key: await self._declare(connection, each) for each in declared}

    async def _declare(self, connection: AsyncConnection, declared: Declared) -> int:
        table, now = self._schedules, int(self.now())
        wanted = _row(declared)
        stored = (await connection.execute(select(table).where(table.c.id == declared.key))).mappings().first()
        if stored is None:
            row = self._insert(table).values(**wanted, id=declared.key, created_at=now, updated_at=now)
            await connection.execute(row.on_conflict_do_nothing())  # by another replica, just now
            return now
        goes_on = all(stored[name] == wanted[name] for name in ("cron_expr", "timezone", "enabled"))
        since = int(stored["updated_at"] or now) if goes_on else now
        if not goes_on or any(stored[name] != value for name, value in wanted.items() if name != "next_run_at"):
            await connection.execute(update(table).where(table.c.id == declared.key).values(**wanted, updated_at=since))
        return since

    async def _retire(self, connection: AsyncConnection, declared: Sequence[str]) -> None:
        """What is not declared any more is kept with its history, for those who ask what it was."""
        table = self._schedules
        await connection.execute(
            update(table)
            .where(table.c.id.startswith(self._prefix, autoescape=True), table.c.id.not_in(declared), table.c.enabled)
            .values(enabled=False, next_run_at=None, disabled_reason=NO_LONGER)
        )

    async def take(self, declared: Declared, due: int) -> Firing | None:
        """The firing of a time, by whom the schedule stands as it is declared; None where another replica has it."""
        table, key = self._schedules, declared.key
        async with self._engine.begin() as connection:
            firing = await self._begin(connection, f"{key}.{due}", key)
            if firing:
                seen = table.c.id == key, table.c.updated_at < due
                await connection.execute(update(table).where(*seen).values(**_row(declared), updated_at=due))
                await self._forget(connection, key)
            return firing

    async def take_now(self, key: str) -> Firing:
        """A firing that somebody asked for."""
        async with self._engine.begin() as connection:
            firing = await self._begin(connection, f"{key}.{uuid.uuid4()}", key)
        if firing is None:
            raise ValueError("an identifier came twice")
        return firing

    async def _begin(self, connection: AsyncConnection, id_: str, key: str) -> Firing | None:
        firing = Firing(id_, key, str(uuid.uuid4()), int(self.now()))
        row = self._insert(self._firings).values(
            id=id_,
            schedule_id=key,
            attempt=1,
            triggered_at=firing.since,
            status="running",
            session_id=firing.session,
            created_at=firing.since,
        )
        done = await connection.execute(row.on_conflict_do_nothing().returning(self._firings.c.id))
        return firing if done.first() else None

    async def _forget(self, connection: AsyncConnection, key: str) -> None:
        table = self._firings
        old = table.c.created_at < int(self.now()) - KEPT_SECONDS
        await connection.execute(delete(table).where(table.c.schedule_id == key, old))

    async def take_over(self, keys: Sequence[str], before: int) -> Firing | None:
        """A firing that was last tried before a time and has no run; whoever gets it tries again."""
        table = self._firings
        left = (
            select(table.c.id)
            .where(
                table.c.status == "running",
                table.c.run_id.is_(None),
                table.c.triggered_at < before,
                table.c.schedule_id.in_(keys),
            )
            .order_by(table.c.triggered_at)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        taken = (
            update(table)
            .where(table.c.id == left)
            .values(triggered_at=int(self.now()), attempt=table.c.attempt + 1)
            .returning(table.c.id, table.c.schedule_id, table.c.session_id, table.c.created_at, table.c.attempt)
        )
        async with self._engine.begin() as connection:
            row = (await connection.execute(taken)).first()
        return Firing(*row) if row else None

    async def accepted(self, firing: Firing, run_id: str, status: int) -> None:
        """The run exists; from here on its own status says how it goes."""
        await self._write(firing, run_id=run_id, status_code=status)

    async def refused(self, firing: Firing, error: str, status: int | None = None) -> None:
        """Nothing will come of it."""
        await self._write(firing, status="failed", completed_at=int(self.now()), error=error, status_code=status)

    async def _write(self, firing: Firing, **values: Any) -> None:
        table = self._firings
        async with self._engine.begin() as connection:
            await connection.execute(update(table).where(table.c.id == firing.id).values(**values))

    async def settle(self, keys: Sequence[str]) -> None:
        """Note which runs have ended since they were last asked about, whoever began them."""
        table, runs = self._firings, self._runs
        ended = runs.c.status.in_([status for status in _ENDED if status != "PAUSED"])
        async with self._engine.begin() as connection:
            await connection.execute(
                update(table)
                .where(
                    table.c.schedule_id.in_(keys),
                    table.c.run_id == runs.c.run_id,
                    or_(
                        (table.c.status == "running") & runs.c.status.in_(_ENDED),
                        (table.c.status == "paused") & ended,
                    ),
                )
                .values(status=case(_ENDED, value=runs.c.status), completed_at=int(self.now()))
            )


def _row(declared: Declared) -> dict[str, Any]:
    """As agno's own scheduler would write it, for its pages; what times out and is retried is not up to the row."""
    spec = declared.spec
    return {
        "name": declared.key,
        "method": "POST",
        "endpoint": f"/{spec.kind}s/{spec.target}/runs",
        "payload": {"message": spec.message},
        "cron_expr": spec.cron,
        "timezone": spec.timezone,
        "timeout_seconds": 3600,
        "max_retries": 0,
        "retry_delay_seconds": 60,
        "enabled": not spec.suspended,
        "next_run_at": None if spec.suspended else _seconds(declared.next_run_at),
        "managed_by": "spec",
        "target_type": spec.kind,
        "target_id": spec.target,
        "disabled_reason": "suspended" if spec.suspended else None,
    }


def _seconds(time: float) -> int | None:
    return None if math.isinf(time) else int(time)
