"""Begins what is due. Every replica of a deployment has one; which of them begins a run is decided in the database.

Times are those of the replica's own spec and clock, so that two revisions in a roll-out do not take turns at one row,
and a clock that is wrong begins a run early or late but never twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agentos_runtime.schedules.records import Declared, Firing, Records
from agentos_runtime.schedules.submission import Answer, Submission
from agentos_spec import ScheduleSpec
from agentos_spec.cron import Cron, parse_cron

_LOG = logging.getLogger("agentos.schedules")
LATE_SECONDS = 3600
"""A time that passed while nobody could begin its run is made up for as long as this, as Kubernetes'
startingDeadlineSeconds has it."""
GRACE_SECONDS = 60
"""After so long without an answer, whoever had begun to ask for a run has died; asking takes half of it at most."""
_LOOK_SECONDS = 15.0
"""How often a replica looks for what others left behind."""
Count = Callable[[str, str], None]
"""Is told a schedule and what became of one of its times: started, failed, missed."""


@dataclass
class _Clock:
    """When one schedule fires."""

    key: str
    spec: ScheduleSpec
    cron: Cron
    since: int = 0
    """All times up to this one are accounted for."""

    def due(self, now: datetime) -> int | None:
        """The last time that has come and is not accounted for; those before it are passed over."""
        following = self.after(self.since)
        if following is None or following > now.timestamp():
            return None
        latest = self.cron.latest(now)
        return int(latest.timestamp()) if latest else None

    def after(self, seconds: float) -> int | None:
        following = self.cron.following(datetime.fromtimestamp(seconds, UTC))
        return int(following.timestamp()) if following else None


@dataclass
class Scheduler:
    """The schedules of one deployment in one replica."""

    schedules: Sequence[ScheduleSpec]
    records: Records
    submission: Submission
    count: Count = lambda schedule, status: None  # noqa: ARG005
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    grace_seconds: int = GRACE_SECONDS
    _clocks: list[_Clock] | None = None
    """None until what is declared stands in the database."""
    _task: asyncio.Task[None] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Go on until the event loop ends."""
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._clocks is None or self._clocks:
            try:
                await self.look()
            except Exception:
                # A database that is away, most likely; what stands in it is read again.
                _LOG.warning("schedules cannot be looked after; trying again", exc_info=True)
                self._clocks = None
            await asyncio.sleep(self._seconds_to_next())

    def _seconds_to_next(self) -> float:
        times = [time for clock in self._clocks or () if (time := clock.after(clock.since)) is not None]
        return min([_LOOK_SECONDS, *(max(time - self.now().timestamp(), 0.05) for time in times)])

    async def look(self) -> None:
        """Begin what is due and what others left behind, and note what has ended."""
        if self._clocks is None:
            self._clocks = await self._declare()
        for clock in self._clocks:
            await self._tick(clock)
        keys = [self.records.key(spec) for spec in self.schedules]
        if keys:
            await self._take_over(keys)
            await self.records.settle(keys)

    async def _declare(self) -> list[_Clock]:
        """With suspended ones in the table and not in the result."""
        clocks = [_Clock(self.records.key(s), s, parse_cron(s.cron, s.timezone)) for s in self.schedules]
        now = self.now().timestamp()
        since = await self.records.declare(
            Declared(clock.key, clock.spec, None if clock.spec.suspended else clock.after(now)) for clock in clocks
        )
        for clock in clocks:
            clock.since = since[clock.key]
        return [clock for clock in clocks if not clock.spec.suspended]

    async def _tick(self, clock: _Clock) -> None:
        due = clock.due(self.now())
        if due is None:
            return
        firing = await self.records.take(clock.key, due, clock.after(due))
        clock.since = due
        if firing is None:
            return
        if self.now().timestamp() - due > LATE_SECONDS:
            await self._miss(firing, due)
        else:
            await self._fire(clock.spec, firing)

    async def _miss(self, firing: Firing, due: int) -> None:
        time = datetime.fromtimestamp(due, UTC).isoformat()
        await self.records.refused(firing, f"missed: nobody could begin it within {LATE_SECONDS} seconds of {time}")
        self._tell(firing, "missed", "the time passed while nobody could begin the run")

    async def _fire(self, spec: ScheduleSpec, firing: Firing) -> Answer | None:
        """None where it was left for another try."""
        try:
            answer = await self.submission.submit(spec, firing.session)
        except Exception:
            _LOG.warning("a scheduled run was not accepted; trying again", extra=_extra(firing), exc_info=True)
            return None
        if answer.run_id:
            await self.records.accepted(firing, answer.run_id, answer.status)
            self._tell(firing, "started", "a scheduled run was accepted", run_id=answer.run_id)
        elif answer.is_final:
            await self.records.refused(firing, answer.error, answer.status)
            self._tell(firing, "failed", "a scheduled run was refused", answered=answer.status)
        else:
            _LOG.warning("a scheduled run was not accepted; trying again", extra=_extra(firing, answered=answer.status))
            return None
        return answer

    async def _take_over(self, keys: Sequence[str]) -> None:
        """Each firing waits for its turn, however often its schedule has fired since."""
        specs = {self.records.key(spec): spec for spec in self.schedules}
        before = int(self.now().timestamp()) - self.grace_seconds
        while firing := await self.records.take_over(keys, before):
            if self.now().timestamp() - firing.since > LATE_SECONDS:
                await self.records.refused(firing, f"nobody accepted it in {firing.attempt} attempts")
                self._tell(firing, "failed", "a scheduled run was given up")
            else:
                await self._fire(specs[firing.schedule], firing)

    def _tell(self, firing: Firing, status: str, message: str, **more: Any) -> None:
        level = logging.INFO if status == "started" else logging.ERROR
        _LOG.log(level, message, extra=_extra(firing, **more))
        self.count(firing.schedule.rpartition(".")[2], status)

    async def execute(self, schedule: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        """agno's `POST /schedules/{id}/trigger`, after it has judged the caller: begin a run now."""
        spec = next((each for each in self.schedules if self.records.key(each) == schedule["id"]), None)
        if spec is None:
            from fastapi import HTTPException  # noqa: PLC0415 - the way to say so to agno's route

            raise HTTPException(409, "The schedule belongs to another deployment of the workspace, or to none.")
        firing = await self.records.take_now(schedule["id"])
        answer = await self._fire(spec, firing)
        started = answer is None or answer.run_id is not None
        return {
            "id": firing.id,
            "schedule_id": firing.schedule,
            "attempt": firing.attempt,
            "triggered_at": firing.since,
            "created_at": firing.since,
            "status": "running" if started else "failed",
            "status_code": answer.status if answer else None,
            "run_id": answer.run_id if answer else None,
            "session_id": firing.session,
            "error": None if started or answer is None else answer.error,
        }


def _extra(firing: Firing, **more: Any) -> dict[str, Any]:
    return {"schedule": firing.schedule, "firing": firing.id, **more}
