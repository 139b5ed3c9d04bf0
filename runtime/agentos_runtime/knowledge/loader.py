"""Loads the sources of each knowledge: when the process starts, and when the text of a ConfigMap changes.

One replica does it at a time, and what is loaded already costs a row to see. Serving does not wait for it: a pod whose
embedder is away answers, `GET /config` tells what is missing, and loading is tried again until it succeeds. A replica
acts only when what it sees has changed, so that two of them, of which one sees a change before the other, do not put
each other's texts back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentos_runtime.knowledge.base import Base
from agentos_runtime.knowledge.sources import Found, fetch, read_config_map
from agentos_spec import KnowledgeSpec, SourceSpec

_LOG = logging.getLogger("agentos.knowledge")
_LOOK_SECONDS = 15.0
"""How often files are looked at; the kubelet takes a minute to bring a change."""
_FIRST_RETRY_SECONDS = 2.0
_LAST_RETRY_SECONDS = 300.0
Read = Callable[[SourceSpec], Awaitable[Found]]


@dataclass(frozen=True)
class Places:
    """Where texts are read from."""

    folder: Path
    laptop: bool

    async def read(self, source: SourceSpec) -> Found:
        """What a source holds now."""
        if source.url is not None:
            return await fetch(source, laptop=self.laptop)
        return await asyncio.to_thread(read_config_map, source, self.folder)


class Loader:
    """One knowledge."""

    def __init__(self, spec: KnowledgeSpec, base: Base, read: Read) -> None:
        self._spec = spec
        self._base = base
        self._read = read
        self._fetched: dict[str, Found] = {}
        """Texts behind URLs, which are fetched once in the life of a process."""
        self._loaded: Found | None = None
        self._next, self._wait = 0.0, _FIRST_RETRY_SECONDS
        self._told: dict[str, Any] = {"status": "loading"}

    def status(self) -> dict[str, Any]:
        """What /config says of it."""
        return {"id": self._spec.id, "name": self._base.name, **self._told}

    async def look(self, now: float) -> float:
        """Load what has changed, or try again what failed; when to look next. Never raises."""
        if now < self._next:
            return self._next
        try:
            found = await self._find()
            done = found == self._loaded or await self._load(found)
            if done:
                self._tell({"status": "loaded", "texts": len(found.texts)})
        except Exception as error:  # the database, above all
            self._tell({"status": "failed", "message": f"it cannot be loaded now ({type(error).__name__})"})
            _LOG.debug("loading failed", exc_info=True)
            done = False
        self._wait = _FIRST_RETRY_SECONDS if done else min(self._wait * 2, _LAST_RETRY_SECONDS)
        self._next = now + (_LOOK_SECONDS if done else self._wait)
        return self._next

    async def _find(self) -> Found:
        texts: dict[str, bytes] = {}
        troubles: dict[str, str] = {}
        for source in self._spec.sources:
            found = self._fetched.get(source.label) or await self._read(source)
            if source.url is not None and not found.troubles:
                self._fetched[source.label] = found
            texts |= found.texts
            troubles |= found.troubles
        return Found(texts, troubles)

    async def _load(self, found: Found) -> bool:
        """Whether there is nothing more to do until something changes."""
        self._loaded = None  # from here on the store may hold a part of each
        async with self._base.vectors.alone() as alone:
            if not alone:
                return False  # another replica is at it, and what it has done is seen the next time
            troubles = dict(found.troubles)
            for label, text in found.texts.items():
                if trouble := await self._base.declare(label, text):
                    troubles[label] = trouble
            await self._base.keep_only([*found.texts, *troubles])
        if troubles:
            label, trouble = next(iter(troubles.items()))
            more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
            self._tell({"status": "failed", "texts": len(found.texts), "message": f"{label}: {trouble}{more}"})
            return False
        self._loaded = found
        return True

    def _tell(self, news: dict[str, Any]) -> None:
        if news != self._told:
            level = logging.WARNING if news["status"] == "failed" else logging.INFO
            _LOG.log(level, "knowledge %s %s: %s", self._base.name, news["status"], news.get("message", "all texts"))
        self._told = news


async def keep_loading(loaders: list[Loader]) -> None:
    """One after the other, for as long as the process lives: each needs a connection of the pool while it loads."""
    clock = asyncio.get_running_loop().time
    while True:
        wakes = [await loader.look(clock()) for loader in loaders]
        await asyncio.sleep(max(0.1, min(wakes) - clock()))
