"""From `spec.knowledge` to what agents search and AgentOS serves. Called by `app.py`, only where there is some."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agno.db.base import AsyncBaseDb
from sqlalchemy.ext.asyncio import AsyncEngine

from agentos_runtime.agents.compile import ReadSecret
from agentos_runtime.database.vectors import table_of
from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.knowledge.base import Base
from agentos_runtime.knowledge.embedders import compile_embedder
from agentos_runtime.knowledge.loader import Loader, Places, keep_loading
from agentos_runtime.knowledge.store import Vectors
from agentos_runtime.settings import Settings
from agentos_spec import KnowledgeSpec, Spec


@dataclass
class Library:
    """Every knowledge of a deployment."""

    bases: Mapping[str, Base]
    """By the id of the document."""
    loaders: list[Loader]
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin to load; the process ends with it."""
        for base in self.bases.values():
            base.serve()
        self._task = asyncio.create_task(keep_loading(self.loaders))

    def status(self) -> list[dict[str, Any]]:
        """What /config says of it."""
        return [loader.status() for loader in self.loaders]


def build_library(
    settings: Settings, spec: Spec, read_secret: ReadSecret, database: AsyncBaseDb, engine: AsyncEngine
) -> Library:
    """All of it; nothing is opened or read yet."""
    if settings.database.is_sqlite:
        message = (
            "spec.knowledge needs PostgreSQL with pgvector, and this process has SQLite; set AGENTOS_DATABASE_URL and"
            " AGENTOS_DATABASE_SCHEMA, or take spec.knowledge out"
        )
        raise StartupError(Reason.INVALID_SETTINGS, message)
    places = Places(settings.config_maps, settings.laptop)
    bases = {each.id: _base(settings, each, read_secret, database, engine) for each in spec.knowledge}
    return Library(bases, [Loader(each, bases[each.id], places.read) for each in spec.knowledge])


def _base(
    settings: Settings, spec: KnowledgeSpec, read_secret: ReadSecret, database: AsyncBaseDb, engine: AsyncEngine
) -> Base:
    key = spec.embedder.api_key
    embedder = compile_embedder(
        spec.embedder, read_secret(key, f"{spec.embedder.path}.apiKeySecretRef") if key else None
    )
    table = table_of(settings.deployment, spec)
    return Base(
        # Deployments of a workspace share agno's table of texts, and vectors of another embedder are another's.
        name=f"{settings.deployment}/{spec.id}/{table.name.rpartition('_')[2]}",
        description=spec.description,
        vector_db=Vectors(engine, settings.database.schema, table, embedder),
        contents_db=database,
        max_results=spec.max_results,
    )
