"""Cancellation that reaches a run on whichever replica it is, and on its own replica even while Redis is away."""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import asdict, dataclass

from agno.run.cancellation_management.in_memory_cancellation_manager import InMemoryRunCancellationManager
from agno.run.cancellation_management.redis_cancellation_manager import RedisRunCancellationManager

from agentos_runtime.coordination.clients import Clients
from agentos_runtime.coordination.guard import FAILURES


@dataclass(frozen=True)
class Owner:
    """Who asked for a run, of which agent: the database has that only once the run has ended or paused."""

    user: str
    agent: str


@dataclass
class Attempt:
    """One request to cancel."""

    reached: bool = True
    """Whether the run, wherever it is, will learn of it."""


OWNER: ContextVar[Owner | None] = ContextVar("owner", default=None)
"""Set by the request that starts a run."""
ATTEMPT: ContextVar[Attempt | None] = ContextVar("attempt", default=None)
"""Set by a request to cancel: agno answers 200 whatever happened."""


class SharedCancellation(RedisRunCancellationManager):
    """agno's own over Redis, with a memory of the runs of this process beside it.

    agno asks several times a run and takes a failure for "not cancelled"; what is known to fail is not asked.
    """

    def __init__(self, clients: Clients, prefix: str) -> None:
        super().__init__(clients.blocking, clients.client, key_prefix=prefix)
        self._clients = clients
        self._own = InMemoryRunCancellationManager()
        self._owners: dict[str, Owner] = {}

    async def owner_of(self, run_id: str) -> Owner | None:
        """Who asked for a run that goes on, here or on another replica; None where nobody knows."""
        if run_id in self._owners or self._clients.guard.away:
            return self._owners.get(run_id)
        try:
            found = await self._clients.client.get(self._owner_key(run_id))
        except FAILURES:
            return None
        return Owner(**json.loads(found)) if found else None

    def register_run(self, run_id: str) -> None:
        self._own.register_run(run_id)
        if not self._clients.guard.away:
            super().register_run(run_id)

    async def aregister_run(self, run_id: str) -> None:
        await self._own.aregister_run(run_id)
        if owner := OWNER.get():
            self._owners.setdefault(run_id, owner)
        if self._clients.guard.away:
            return
        await super().aregister_run(run_id)
        if owner:
            await self._publish(run_id, owner)

    def is_cancelled(self, run_id: str) -> bool:
        return self._own.is_cancelled(run_id) or (not self._clients.guard.away and super().is_cancelled(run_id))

    async def ais_cancelled(self, run_id: str) -> bool:
        if await self._own.ais_cancelled(run_id):
            return True
        return not self._clients.guard.away and await super().ais_cancelled(run_id)

    def cancel_run(self, run_id: str) -> bool:
        mine = self._cancel_mine(run_id)
        try:
            return super().cancel_run(run_id) or mine
        except FAILURES:
            return _without_redis(mine)

    async def acancel_run(self, run_id: str) -> bool:
        mine = self._cancel_mine(run_id)
        try:
            return await super().acancel_run(run_id) or mine
        except FAILURES:
            return _without_redis(mine)

    def cleanup_run(self, run_id: str) -> None:
        self._own.cleanup_run(run_id)
        self._owners.pop(run_id, None)
        if not self._clients.guard.away:
            super().cleanup_run(run_id)

    async def acleanup_run(self, run_id: str) -> None:
        await self._own.acleanup_run(run_id)
        owned = self._owners.pop(run_id, None)
        if self._clients.guard.away:
            return
        await super().acleanup_run(run_id)
        if owned:
            await self._withdraw(run_id)

    def _cancel_mine(self, run_id: str) -> bool:
        return run_id in self._own.get_active_runs() and self._own.cancel_run(run_id)

    async def _publish(self, run_id: str, owner: Owner) -> None:
        """A run never fails for it: then it can be cancelled on its own replica alone."""
        said = json.dumps(asdict(owner))
        try:
            await self._clients.client.set(self._owner_key(run_id), said, ex=self.ttl_seconds, nx=True)
        except FAILURES:
            return

    async def _withdraw(self, run_id: str) -> None:
        try:
            await self._clients.client.delete(self._owner_key(run_id))
        except FAILURES:
            return  # it expires

    def _owner_key(self, run_id: str) -> str:
        return f"{self.key_prefix}owner:{run_id}"


def _without_redis(mine: bool) -> bool:
    if not mine and (attempt := ATTEMPT.get()):
        attempt.reached = False
    return mine
