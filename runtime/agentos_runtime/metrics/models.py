"""Times the calls of a model and counts its tokens, under the agent that made them.

agno keeps sums for each run, but no time for each call; and a run that pauses and goes on shows its sums twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any

from agno.models.base import Model
from agno.models.response import ModelResponse

from agentos_runtime.metrics.instruments import Metrics

_KINDS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
}
"""Values of the label `kind` and agno's names; cached and reasoning tokens are parts of input and output."""


def measure_model(model: Model, agent: str, name: str, metrics: Metrics) -> None:
    """Have this very object measure itself from now on: agno holds it in many places.

    So it gets a class of its own between it and its provider's, whose name agno goes on to see.
    """
    kind: Any = type(model)

    def call() -> _Call:
        return _Call(metrics, agent, name)

    class Measured(kind):  # type: ignore[misc]
        def invoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
            with call() as timed:
                return timed.whole(super().invoke(*args, **kwargs))

        async def ainvoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
            with call() as timed:
                return timed.whole(await super().ainvoke(*args, **kwargs))

        def invoke_stream(self, *args: Any, **kwargs: Any) -> Iterator[ModelResponse]:
            with call() as timed:
                for part in super().invoke_stream(*args, **kwargs):
                    yield timed.part(part)

        async def ainvoke_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ModelResponse]:
            with call() as timed:
                async for part in super().ainvoke_stream(*args, **kwargs):
                    yield timed.part(part)

    Measured.__name__, Measured.__qualname__, Measured.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    model.__class__ = Measured


class _Call:
    """One call, from the question to the end of the answer."""

    def __init__(self, metrics: Metrics, agent: str, name: str) -> None:
        self._metrics = metrics
        self._labels = (agent, name)
        self._began = time.perf_counter()
        self._is_first = True

    def __enter__(self) -> _Call:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._metrics.model_seconds.labels(*self._labels, _outcome(kind)).observe(self._elapsed())

    def whole(self, answer: ModelResponse) -> ModelResponse:
        """An answer that came in one piece."""
        self._count(answer)
        return answer

    def part(self, part: ModelResponse) -> ModelResponse:
        """A part of a streamed answer; usage comes in one or several of them, to be added up."""
        if self._is_first:
            self._is_first = False
            self._metrics.first_token_seconds.labels(*self._labels).observe(self._elapsed())
        return self.whole(part)

    def _elapsed(self) -> float:
        return time.perf_counter() - self._began

    def _count(self, answer: ModelResponse) -> None:
        if answer.response_usage is None:
            return
        for kind, field in _KINDS.items():
            if tokens := getattr(answer.response_usage, field):
                self._metrics.tokens.labels(*self._labels, kind).inc(tokens)


def _outcome(kind: type[BaseException] | None) -> str:
    if kind is None:
        return "answered"
    return "cancelled" if issubclass(kind, (asyncio.CancelledError, GeneratorExit)) else "failed"
