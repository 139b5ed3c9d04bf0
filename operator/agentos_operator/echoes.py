"""Which events tell nothing but what we have just written ourselves; asked by ``service`` before it marks a key.

Each write comes back as an event, and a reconciliation that it led to would find nothing: at one write of status each
time something moves, every second one. An event is an echo when its version is that of our write's answer, and that
answer differs from what we had read in nothing but what we wrote. An event can overtake the answer, so it waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from agentos_operator.naming import FINALIZER

_Reference = tuple[str, str | None, str]
_WRITTEN_BY_THE_SERVER = ("resourceVersion", "managedFields")


class Echoes:
    """Remembers writes under way, and the version that our last one of each resource has made."""

    def __init__(self) -> None:
        self._under_way: dict[_Reference, asyncio.Event] = {}
        self._versions: dict[str, str] = {}

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

    def note(self, read: Mapping[str, Any], written: Mapping[str, Any]) -> None:
        """We wrote our own part into ``read``, which became ``written``."""
        metadata = written["metadata"]
        if _others_part(read) == _others_part(written):
            self._versions[metadata["uid"]] = metadata["resourceVersion"]

    def is_one(self, body: Mapping[str, Any]) -> bool:
        """Whether the event with ``body`` tells of our own write and of nothing else."""
        metadata = body["metadata"]
        known = self._versions.get(metadata.get("uid", ""))
        return known is not None and known == metadata.get("resourceVersion")

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._versions.pop(uid, None)


def _reference(body: Mapping[str, Any]) -> _Reference:
    metadata = body["metadata"]
    return body["kind"], metadata.get("namespace"), metadata["name"]


def _others_part(body: Mapping[str, Any]) -> dict[str, Any]:
    """All but status, our finalizer, and what the API server notes about each write."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in _WRITTEN_BY_THE_SERVER}
    finalizers = [each for each in metadata.pop("finalizers", ()) if each != FINALIZER]
    rest = {key: value for key, value in body.items() if key not in ("metadata", "status")}
    return {**rest, "metadata": metadata, "finalizers": finalizers}
