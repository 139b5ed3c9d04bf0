"""Clients of the deployment's Redis whose commands end in bounded time, and at once while it is known to be away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from agentos_runtime.coordination.guard import FAILURES, Guard
from agentos_runtime.settings import RedisSettings

_MOST_CONNECTIONS = 10_000
"""Whoever follows a run holds one; redis-py would refuse the hundred and first."""


@dataclass(frozen=True)
class Clients:
    """Everything that asks Redis."""

    guard: Guard
    client: redis.asyncio.Redis
    """For everything on the event loop."""
    blocking: redis.Redis
    """For what agno does in threads."""
    probe: redis.asyncio.Redis
    """The guard's own, which asks while the others are held back."""


def connect(settings: RedisSettings) -> Clients:
    """Build the clients; nothing is opened yet."""
    guard = Guard()
    client = redis.asyncio.Redis.from_url(settings.url, **_options(settings))
    blocking = redis.Redis.from_url(settings.url, **_options(settings))
    for pool, mixin in ((client.connection_pool, _Guarded), (blocking.connection_pool, _GuardedBlocking)):
        plain: Any = pool.connection_class
        cast(Any, pool).connection_class = type(plain.__name__, (mixin, plain), {"guard": guard})
    probe = redis.asyncio.Redis.from_url(settings.url, **_options(settings))
    return Clients(guard, client, blocking, probe)


def _options(settings: RedisSettings) -> dict[str, Any]:
    """RESP2, because agno reads streams in its form; no retries, because the guard knows better."""
    options: dict[str, Any] = {
        "socket_timeout": settings.timeout_seconds,
        "socket_connect_timeout": settings.timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "max_connections": _MOST_CONNECTIONS,
    }
    if settings.url.startswith("rediss:"):
        options |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
        if settings.ca_file:
            options["ssl_ca_certs"] = str(settings.ca_file)
    return options


class _Guarded:
    """Mixed into redis-py's connection: every command passes here, also those of pipelines and scripts."""

    guard: Guard

    async def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        """Not in `_connect`: redis-py makes a ConnectionError of all that it raises, which agno would try for ever."""
        self.guard.check()
        try:
            await super().connect_check_health(*args, **kwargs)  # type: ignore[misc]
        except FAILURES as error:
            self.guard.judge(error)
            raise

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        self.guard.check()
        await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except FAILURES as error:
            self.guard.judge(error)
            raise


class _GuardedBlocking:
    """The same for threads."""

    guard: Guard

    def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        self.guard.check()
        try:
            super().connect_check_health(*args, **kwargs)  # type: ignore[misc]
        except FAILURES as error:
            self.guard.judge(error)
            raise

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        self.guard.check()
        super().send_packed_command(*args, **kwargs)  # type: ignore[misc]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except FAILURES as error:
            self.guard.judge(error)
            raise
