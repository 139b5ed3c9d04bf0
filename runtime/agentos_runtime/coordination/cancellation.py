"""Cancellation that reaches a run on whichever replica it is, and on its own replica even while Redis is away."""

from __future__ import annotations

from agno.run.cancellation_management.in_memory_cancellation_manager import InMemoryRunCancellationManager
from agno.run.cancellation_management.redis_cancellation_manager import RedisRunCancellationManager
from fastapi import HTTPException
from redis.exceptions import RedisError

from agentos_runtime.coordination.clients import Clients

_AWAY = "The run is on another replica, and the Redis through which it would be told does not answer. Try again."


class SharedCancellation(RedisRunCancellationManager):
    """agno's own over Redis, with a memory of the runs of this process beside it.

    agno asks several times a run and takes a failure for "not cancelled"; what is known to fail is not asked.
    """

    def __init__(self, clients: Clients, prefix: str) -> None:
        super().__init__(clients.blocking, clients.client, key_prefix=prefix)
        self._guard = clients.guard
        self._own = InMemoryRunCancellationManager()

    def register_run(self, run_id: str) -> None:
        self._own.register_run(run_id)
        if not self._guard.away:
            super().register_run(run_id)

    async def aregister_run(self, run_id: str) -> None:
        await self._own.aregister_run(run_id)
        if not self._guard.away:
            await super().aregister_run(run_id)

    def is_cancelled(self, run_id: str) -> bool:
        return self._own.is_cancelled(run_id) or (not self._guard.away and super().is_cancelled(run_id))

    async def ais_cancelled(self, run_id: str) -> bool:
        if await self._own.ais_cancelled(run_id):
            return True
        return not self._guard.away and await super().ais_cancelled(run_id)

    def cancel_run(self, run_id: str) -> bool:
        mine = self._cancel_mine(run_id)
        try:
            return super().cancel_run(run_id) or mine
        except RedisError as error:
            return self._without_redis(mine, error)

    async def acancel_run(self, run_id: str) -> bool:
        mine = self._cancel_mine(run_id)
        try:
            return await super().acancel_run(run_id) or mine
        except RedisError as error:
            return self._without_redis(mine, error)

    def cleanup_run(self, run_id: str) -> None:
        self._own.cleanup_run(run_id)
        if not self._guard.away:
            super().cleanup_run(run_id)

    async def acleanup_run(self, run_id: str) -> None:
        await self._own.acleanup_run(run_id)
        if not self._guard.away:
            await super().acleanup_run(run_id)

    def _cancel_mine(self, run_id: str) -> bool:
        return run_id in self._own.get_active_runs() and self._own.cancel_run(run_id)

    def _without_redis(self, mine: bool, error: RedisError) -> bool:
        """agno would answer 200 whatever happened; a caller is told when nobody was reached."""
        if not mine:
            raise HTTPException(503, _AWAY, {"retry-after": "2"}) from error
        return True
