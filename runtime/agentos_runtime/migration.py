"""The whole of `agentos-runtime migrate`: an engine for the migration alone, then none."""

from __future__ import annotations

from agentos_runtime.database.engine import create_database, create_engine
from agentos_runtime.database.migrate import migrate
from agentos_runtime.settings import Settings


async def migrate_schema(settings: Settings) -> None:
    """Bring the schema up to date; safe to run from several places at once."""
    engine = create_engine(settings.database)
    try:
        await migrate(settings.database, create_database(settings.database, engine))
    finally:
        await engine.dispose()
