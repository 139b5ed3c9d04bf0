"""Each pause is continued once, whichever replica is asked and however often.

A row in a table of ours, in the workspace's own schema, is written before agno is asked to continue; a second writer
finds it there. It is taken back only where agno refused before it did anything. A process that dies half-way leaves
the row: whether the tool ran is then known to nobody, and running it again is what must not happen.

PostgreSQL gets the table from database/migrate.py, a laptop's file from `prepare`.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Column, DateTime, MetaData, Table, Text, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine


class Claims:
    """The table, through the engine that agno uses too."""

    def __init__(self, engine: AsyncEngine, schema: str) -> None:
        self._engine = engine
        self._table = Table(
            "agentos_runtime_continuations",
            MetaData(schema=schema or None),
            Column("claim", Text, primary_key=True),
            Column("run_id", Text, nullable=False),
            Column("claimed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        )
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    async def prepare(self) -> None:
        """Make the table where no migration does."""
        async with self._engine.begin() as connection:
            await connection.run_sync(self._table.metadata.create_all)

    async def take(self, claims: Iterable[str], run_id: str) -> bool:
        """Take all or none; False where another was faster."""
        async with self._engine.connect() as connection:
            for claim in sorted(claims):
                row = self._insert(self._table).values(claim=claim, run_id=run_id)
                done = await connection.execute(row.on_conflict_do_nothing().returning(self._table.c.claim))
                if done.first() is None:
                    await connection.rollback()
                    return False
            await connection.commit()
        return True

    async def is_taken(self, claim: str) -> bool:
        """Whether somebody has it."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(self._table.c.claim).where(self._table.c.claim == claim))
            return rows.first() is not None

    async def give_back(self, claims: Iterable[str]) -> None:
        """For a continuation that did not begin."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(self._table).where(self._table.c.claim.in_(list(claims))))
