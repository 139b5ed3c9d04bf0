"""An event loop whose clock jumps to the next timer: hours of waiting take no time, and always the same course."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: what the loop would have waited is added to the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("nothing is scheduled, so this test would wait for ever")
        self.now += max(timeout, 0.0)
        return super().select(0)


class _SimulatedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def leap(self, seconds: float) -> None:
        """So much time has passed in which nothing was done."""
        self._clock.now += seconds


def simulate(course: Coroutine[Any, Any, T]) -> T:
    """Run ``course`` in a loop of its own, with simulated time."""
    with asyncio.Runner(loop_factory=_SimulatedLoop) as runner:
        return runner.run(course)


class LoopClock:
    """Stands in for the ``time`` module where only ``monotonic`` is used."""

    @staticmethod
    def monotonic() -> float:
        """Simulated seconds."""
        return asyncio.get_running_loop().time()

    @staticmethod
    def leap(seconds: float) -> None:
        """The process was paused for so long."""
        cast("_SimulatedLoop", asyncio.get_running_loop()).leap(seconds)
