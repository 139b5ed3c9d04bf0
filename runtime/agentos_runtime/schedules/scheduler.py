"""Begins what is due. Every replica of a deployment has one; which of them begins a run is decided in the database.

Times are those of the replica's own spec and clock, so that two revisions in a roll-out do not take turns at one row,
and a clock that is wrong begins a run early or late but never twice.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

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
    upcoming: float = math.inf
    """The first time that is not accounted for."""

    def account(self, until: float) -> None:
        """All times up to this one are accounted for."""
        self.upcoming = self.after(until)

    def due(self, now: float) -> int | None:
        """The last time that has come and is not accounted for; those before it are passed over."""
        latest = self.cron.latest(datetime.fromtimestamp(now, UTC)) if self.upcoming <= now else None
        return int(latest.timestamp()) if latest else None

    def after(self, seconds: float) -> float:
        """The next time; cron comes again for ever, but a search for it ends somewhere."""
        following = self.cron.following(datetime.fromtimestamp(seconds, UTC))
        return following.timestamp() if following else math.inf


@dataclass
class Scheduler:
    """The schedules of one deployment in one replica."""

    schedules: Sequence[ScheduleSpec]
    records: Records
    submission: Submission
    count: Count = lambda schedule, status: None  # noqa: ARG005
    look_seconds: float = _LOOK_SECONDS
    _clocks: list[_Clock] | None = None
    """None until what is declared stands in the database."""
    _fails: bool = False
    """Whether the last look failed, which is told once."""
    _task: asyncio.Task[None] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Go on until the event loop ends."""
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self.schedules or self._clocks is None:
            try:
                await self.look()
                self._fails = False
            except Exception as error:
                self._failed(error)
            await asyncio.sleep(self._seconds_to_next())

    def _failed(self, error: Exception) -> None:
        """A database that is away, most likely; what stands in it is read again."""
        if not self._fails:
            traceback = not isinstance(error, SQLAlchemyError | OSError)
            _LOG.warning("schedules wait: %s", type(error).__name__, exc_info=traceback)
        self._fails = True
        self._clocks = None

    def _seconds_to_next(self) -> float:
        now = self.records.now()
        return min([self.look_seconds, *(max(clock.upcoming - now, 0.05) for clock in self._clocks or ())])

    async def look(self) -> None:
        """Begin what is due and what others left behind, and note what has ended."""
        if self._clocks is None:
            self._clocks = await self._declare()
        for clock in self._clocks:
            await self._tick(clock)
        if self.schedules:
            await self._take_over({clock.key: clock.spec for clock in self._clocks})
            await self.records.settle([self.records.key(spec) for spec in self.schedules])

    async def _declare(self) -> list[_Clock]:
        """Those that are suspended are in the table and not in the result."""
        clocks = [_Clock(self.records.key(s), s, parse_cron(s.cron, s.timezone)) for s in self.schedules]
        now = self.records.now()
        until = await self.records.declare(Declared(clock.key, clock.spec, clock.after(now)) for clock in clocks)
        for clock in clocks:
            clock.account(until[clock.key])
        return [clock for clock in clocks if not clock.spec.suspended]

    async def _tick(self, clock: _Clock) -> None:
        due = clock.due(self.records.now())
        if due is None:
            return
        firing = await self.records.take(Declared(clock.key, clock.spec, clock.after(due)), due)
        clock.account(due)
        if firing is None:
            return
        if self.records.now() - due > LATE_SECONDS:
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
            _LOG.exception("a scheduled run was not accepted; trying again", extra={"schedule": firing.schedule})
            return None
        if answer.run_id:
            await self.records.accepted(firing, answer.run_id, answer.status)
            self._tell(firing, "started", "a scheduled run was accepted", run_id=answer.run_id)
        elif answer.is_final:
            await self.records.refused(firing, answer.error, answer.status)
            self._tell(firing, "failed", "a scheduled run was refused", status=answer.status)
        else:
            self._log(logging.WARNING, firing, "a scheduled run was not accepted; trying again", status=answer.status)
            return None
        return answer

    async def _take_over(self, specs: Mapping[str, ScheduleSpec]) -> None:
        """Each firing is tried again by itself, however often its schedule has fired since."""
        before = int(self.records.now()) - GRACE_SECONDS
        while specs and (firing := await self.records.take_over(list(specs), before)):
            if self.records.now() - firing.since > LATE_SECONDS:
                await self.records.refused(firing, f"nobody accepted it in {firing.attempt - 1} attempts")
                self._tell(firing, "failed", "a scheduled run was given up")
            else:
                await self._fire(specs[firing.schedule], firing)

    def _tell(self, firing: Firing, outcome: str, message: str, **more: Any) -> None:
        self._log(logging.INFO if outcome == "started" else logging.ERROR, firing, message, **more)
        self.count(firing.schedule.rpartition(".")[2], outcome)

    def _log(self, level: int, firing: Firing, message: str, **more: Any) -> None:
        _LOG.log(level, message, extra={"schedule": firing.schedule, **more})

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
