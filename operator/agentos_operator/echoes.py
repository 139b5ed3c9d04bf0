"""Which of our writes are under way: an event about one can be judged only when its answer is there.

``ledger`` compares what a child's event says with the answer to its last apply. An event can overtake that answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_Reference = tuple[str, str | None, str]


class Echoes:
    """Remembers writes under way."""

    def __init__(self) -> None:
        self._under_way: dict[_Reference, asyncio.Event] = {}

    @contextmanager
    def writing(self, body: Mapping[str, Any]) -> Iterator[None]:
        """``body`` is being written for as long as the context lasts."""
        reference = _reference(body)
        ended = self._under_way.setdefault(reference, asyncio.Event())
        try:
            yield
        finally:
            self._under_way.pop(reference, None)
            ended.set()

    async def until_written(self, body: Mapping[str, Any]) -> None:
        """Wait while the object that ``body`` is an event about is being written."""
        while (ended := self._under_way.get(_reference(body))) is not None:
            await ended.wait()


def _reference(body: Mapping[str, Any]) -> _Reference:
    metadata = body["metadata"]
    return body["kind"], metadata.get("namespace"), metadata["name"]
