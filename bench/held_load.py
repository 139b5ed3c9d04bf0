"""A load that is held while something happens to what it is put on: every request counts, and so does every failure.

Each worker asks, waits for the whole answer, pauses, asks again, always as a new session and on a connection that it
keeps. Nothing is tried a second time: what a client would have to repeat is a failure here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bench.connection import Connection, NoAnswer

Request = Callable[[], Awaitable[bytes]]
"""The next request as bytes, with a token that is valid now."""


@dataclass(frozen=True)
class Failure:
    """One request that did not do its work."""

    seconds: float
    """Since the load began."""
    took: float
    what: str
    """Status and the beginning of the answer, or why there was none."""


@dataclass
class Tally:
    """What a load has seen so far."""

    requests: int = 0
    failures: list[Failure] = field(default_factory=list)
    slowest: float = 0.0
    """Seconds of the slowest request."""

    def plus(self, other: Tally) -> Tally:
        """What both have seen."""
        failures = [*self.failures, *other.failures]
        return Tally(self.requests + other.requests, failures, max(self.slowest, other.slowest))


class HeldLoad:
    """Workers that go on until the block ends."""

    def __init__(self, port: int, request: Request, *, in_flight: int, pause: float) -> None:
        self._port = port
        self._request = request
        self._in_flight = in_flight
        self._pause = pause
        self._began = time.monotonic()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self.tally = Tally()

    async def __aenter__(self) -> HeldLoad:
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._in_flight)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    def phase(self) -> Tally:
        """What was seen since the last phase; counting begins anew."""
        seen, self.tally = self.tally, Tally()
        return seen

    async def _work(self) -> None:
        connection = Connection(self._port)
        try:
            while not self._stopping:
                await self._ask(connection)
                await asyncio.sleep(self._pause)
        finally:
            connection.close()

    async def _ask(self, connection: Connection) -> None:
        request = await self._request()
        began = time.monotonic()
        try:
            status, body = await connection.ask(request)
            wrong = "" if status == 200 and b'"COMPLETED"' in body else f"{status}: {body[:200]!r}"
        except NoAnswer as error:
            wrong = f"no answer: {error}"
        now = time.monotonic()
        self.tally.requests += 1
        self.tally.slowest = max(self.tally.slowest, now - began)
        if wrong:
            self.tally.failures.append(Failure(round(now - self._began, 2), round(now - began, 2), wrong))
