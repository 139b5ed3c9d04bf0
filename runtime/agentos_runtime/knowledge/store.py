"""The vectors of one knowledge: what agno's Knowledge asks of a vector store, over the pool of the process.

agno's own PgVector would open a second pool that nothing bounds, do half of its work in the event loop, answer "nothing
found" while the database is away, and bring numpy (docs/decisions/0035).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from agno.exceptions import EmbeddingError
from agno.knowledge.document import Document
from agno.knowledge.embedder.base import Embedder
from agno.knowledge.utils import strip_agno_metadata
from agno.vectordb.base import aembed_before_replace, retrievable_documents
from agno.vectordb.search import SearchType
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from agentos_runtime.database.vectors import VectorTable

SHARED = ""
"""As a user: whoever has only what all users have. No token has an empty subject."""
_SEARCH = (
    "SELECT id, name, content, meta_data, embedding <=> CAST(:query AS vector) AS distance FROM {table}"
    " WHERE (CAST(:user_id AS text) IS NULL OR user_id IS NULL OR user_id = :user_id)"
    " AND meta_data @> CAST(:filters AS jsonb) ORDER BY distance, id LIMIT :limit"
)
_INSERT = (
    "INSERT INTO {table} (id, content_id, user_id, name, content, meta_data, embedding) VALUES"
    " (:id, :content_id, :user_id, :name, :content, CAST(:meta_data AS jsonb), CAST(:embedding AS vector))"
)
_REMOVE = "DELETE FROM {table} WHERE content_id = :content_id"
_DESCRIBE = "UPDATE {table} SET meta_data = meta_data || CAST(:more AS jsonb) WHERE content_id = :content_id"
_LOCK = "LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT"
"""Excludes itself alone: nobody who searches or uploads waits for it."""


class Vectors:
    """One table."""

    name: str | None = None
    description: str | None = None

    def __init__(self, engine: AsyncEngine, schema: str, table: VectorTable, embedder: Embedder) -> None:
        self.id = table.name
        self.embedder = embedder
        self._engine = engine
        self._table = f'"{schema}"."{table.name}"'
        self._dimensions = table.dimensions

    def __deepcopy__(self, memo: dict[int, Any]) -> Vectors:
        """Itself: agno copies agents for each run."""
        return self

    def exists(self) -> bool:
        """agno asks as it constructs; the table is made before anything is served."""
        return True

    def upsert_available(self) -> bool:
        """A text that comes again replaces its earlier self."""
        return True

    def get_supported_search_types(self) -> list[SearchType]:
        """What /knowledge/config tells."""
        return [SearchType.vector]

    def update_metadata(self, content_id: str, metadata: dict[str, Any]) -> None:
        """agno calls this from the event loop with each new status, and `describe` is awaited where it matters."""

    async def async_upsert(
        self,
        content_hash: str,  # noqa: ARG002 - agno's name for a text; its id does as well
        documents: list[Document],
        filters: dict[str, Any] | None = None,
        user_id: str | None = None,
    ) -> None:
        """Replace all pieces of a text, once they are embedded."""
        await aembed_before_replace(documents, self.embedder)
        kept = retrievable_documents(documents)
        for document in kept:
            self._fits(document.embedding or [])
        rows = await asyncio.to_thread(
            lambda: [self._row(place, document, filters, user_id) for place, document in enumerate(kept)]
        )
        async with self._engine.begin() as connection:
            for content_id in {row["content_id"] for row in rows}:
                await connection.execute(self._sql(_REMOVE), {"content_id": content_id})
            if rows:
                await connection.execute(self._sql(_INSERT), rows)

    async def find(
        self, query: str, limit: int, filters: Mapping[str, Any] | None, user_id: str | None
    ) -> list[Document]:
        """The nearest pieces; of a user, his own and those of all. None finds those of every user."""
        vector = await self.embedder.async_get_embedding(query)
        self._fits(vector)
        asked = {"query": _literal(vector), "user_id": user_id, "filters": json.dumps(filters or {}), "limit": limit}
        async with self._engine.connect() as connection:
            found = (await connection.execute(self._sql(_SEARCH), asked)).mappings().all()
        return [
            Document(
                id=row["id"],
                name=row["name"],
                content=row["content"],
                meta_data={**row["meta_data"], "similarity_score": round(1 - row["distance"] / 2, 4)},
            )
            for row in found
        ]

    async def remove(self, content_id: str) -> None:
        """Forget a text."""
        async with self._engine.begin() as connection:
            await connection.execute(self._sql(_REMOVE), {"content_id": content_id})

    async def describe(self, content_id: str, metadata: Mapping[str, Any]) -> None:
        """Add to what is known of a text, by which a search can be narrowed."""
        async with self._engine.begin() as connection:
            more = {"more": json.dumps(dict(metadata)), "content_id": content_id}
            await connection.execute(self._sql(_DESCRIBE), more)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """True in one process at a time. A lock on the table and no advisory one: those are shared by all tenants."""
        async with self._engine.connect() as connection, connection.begin():
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            try:
                await connection.execute(self._sql(_LOCK))
            except DBAPIError as error:
                if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                    raise
                got = False
            else:
                got = True
            yield got

    def _sql(self, statement: str) -> Any:
        return text(statement.format(table=self._table))

    def _fits(self, vector: Sequence[float]) -> None:
        if len(vector) != self._dimensions:
            message = f"the embedder's vectors have {len(vector)} numbers, and dimensions says {self._dimensions}"
            raise EmbeddingError(message)

    def _row(
        self, place: int, document: Document, filters: dict[str, Any] | None, user_id: str | None
    ) -> dict[str, Any]:
        content_id = str(document.content_id)
        return {
            "id": hashlib.sha256(f"{content_id}:{place}".encode()).hexdigest()[:32],
            "content_id": content_id,
            "user_id": user_id,
            "name": document.name,
            "content": document.content.replace("\x00", "\ufffd"),
            "meta_data": json.dumps({**document.meta_data, **(strip_agno_metadata(filters) or {})}).replace(
                "\\u0000", "\\ufffd"
            ),
            "embedding": _literal(document.embedding or []),
        }


def _literal(vector: Sequence[float]) -> str:
    """A vector as pgvector reads it."""
    return "[" + ",".join(map(repr, map(float, vector))) + "]"
