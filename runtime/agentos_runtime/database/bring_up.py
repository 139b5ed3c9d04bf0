"""A migration from outside the server: an engine for it alone, then none."""

from __future__ import annotations

from agentos_runtime.database.engine import create_database, create_engine
from agentos_runtime.database.migrate import migrate
from agentos_runtime.settings import DatabaseSettings


async def migrate_schema(settings: DatabaseSettings) -> None:
    """Bring the schema up to date; safe to run from several places at once."""
    engine = create_engine(settings)
    try:
        await migrate(settings, create_database(settings, engine))
    finally:
        await engine.dispose()
