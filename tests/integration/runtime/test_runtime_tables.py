"""The tables of a new workspace, made in one go, are those agno makes step by step."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from agentos_runtime.database import bring_up, migrate
from agentos_runtime.database.engine import create_engine
from agentos_runtime.settings import DatabaseSettings
from tests.integration.runtime.test_runtime_interrupted import eventually, in_background, status_of

FILE = Path("runtime/agentos_runtime/database/tables.sql")
HEAD = """-- agno's tables, version {version}, as agno makes them in an empty schema. Generated:
--     pytest tests/integration/runtime/test_runtime_tables.py --update-golden
"""
CATALOG = {
    "columns": """
        SELECT table_name, column_name, data_type, udt_name, is_nullable, column_default, ordinal_position
        FROM information_schema.columns WHERE table_schema = %(schema)s AND table_name LIKE 'agno%%'""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(pg_constraint.oid)
        FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
        WHERE connamespace = %(schema)s::regnamespace AND relname LIKE 'agno%%'""",
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = %(schema)s AND tablename LIKE 'agno%%'""",
    "versions": "SELECT table_name, version FROM {}.agno_schema_versions",
}


@pytest.fixture
def schemas(postgres: Any) -> Iterator[tuple[DatabaseSettings, DatabaseSettings]]:
    """Two empty schemas."""
    names = [f"ws_tables_{secrets.token_hex(4)}" for _ in range(2)]
    superuser = {"host": "127.0.0.1", "port": postgres.port, "dbname": "postgres"}
    with postgres.connect() as connection:
        for name in names:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        info = connection.info
        url = f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{superuser['dbname']}"
        yield DatabaseSettings(url, names[0]), DatabaseSettings(url, names[1])
        for name in names:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


def catalog(settings: DatabaseSettings) -> dict[str, list[Any]]:
    """Everything a schema holds, without its name."""
    found = {}
    with psycopg.connect(settings.url) as connection:
        for name, query in CATALOG.items():
            composed = sql.SQL(query).format(sql.Identifier(settings.schema))
            rows = connection.execute(composed, {"schema": settings.schema}).fetchall()
            found[name] = sorted(str(row).replace(settings.schema, "SCHEMA") for row in rows)
    return found


def recorded(settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> str:
    """What agno executes to bring an empty schema up."""
    creates: list[str] = []
    versions: dict[str, str] = {}

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.strip().startswith("CREATE"):
            creates.append("\n".join(line.rstrip() for line in statement.strip().splitlines()))
        elif statement.startswith("INSERT"):
            versions[parameters["table_name"]] = parameters["version"]

    def listening(given: DatabaseSettings) -> AsyncEngine:
        engine = create_engine(given)
        event.listen(engine.sync_engine, "before_cursor_execute", note)
        return engine

    monkeypatch.setattr(bring_up, "create_engine", listening)
    bring_up.bring_up(settings)
    tables = [statement for statement in creates if statement.startswith("CREATE TABLE")]
    indexes = sorted(statement for statement in creates if not statement.startswith("CREATE TABLE"))
    rows = ",\n".join(f"  ('{t}', '{v}', now(), now())" for t, v in sorted(versions.items()))
    insert = "INSERT INTO {schema}.agno_schema_versions (table_name, version, created_at, updated_at) VALUES"
    text = ";\n".join([*tables, *indexes, f"{insert}\n{rows}"]) + ";\n"
    return HEAD.format(version=version("agno")) + text.replace(settings.schema, "{schema}")


def test_a_new_workspace_gets_agnos_tables(
    schemas: tuple[DatabaseSettings, DatabaseSettings],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    theirs, ours = schemas
    text = recorded(theirs, monkeypatch)
    if request.config.getoption("--update-golden"):
        FILE.write_text(text)
    assert FILE.read_text() == text, "agno's tables have changed: run with --update-golden"
    migrate.migrate(ours)
    assert catalog(ours) == catalog(theirs)


def test_no_run_has_to_make_a_table(start: Callable[..., Any], database: Any, token: Callable[..., str]) -> None:
    """Two replicas that make one at the same moment fail each other's run."""
    settings = DatabaseSettings(database.url, database.schema)
    migrate.migrate(settings)
    made = catalog(settings)["columns"]
    process = start()
    process.wait_until("/readyz")
    run, _ = in_background(process.url, {"Authorization": f"Bearer {token()}"}, "Hello")
    eventually(lambda: status_of(database, run) == "COMPLETED")
    assert catalog(settings)["columns"] == made
