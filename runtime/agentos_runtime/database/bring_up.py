"""agno's own migrations, on an engine for them alone."""

from __future__ import annotations

import asyncio

from agno.db.migrations.manager import MigrationManager
from agno.db.postgres import AsyncPostgresDb

from agentos_runtime.database.engine import create_engine
from agentos_runtime.settings import DatabaseSettings


def bring_up(settings: DatabaseSettings) -> None:
    """Migrate what an older version left, then create what is not there."""
    asyncio.run(_bring_up(settings))


async def _bring_up(settings: DatabaseSettings) -> None:
    engine = create_engine(settings)
    database = AsyncPostgresDb(db_engine=engine, db_schema=settings.schema, create_schema=False)
    try:
        await MigrationManager(database).up()
        await database._create_all_tables()  # type: ignore[no-untyped-call]
    finally:
        await engine.dispose()
