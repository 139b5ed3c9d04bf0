"""docs/database.md shows SQL that works, and what it prepares is enough for the operator."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from agentos_operator.clients.postgres import (
    PostgresServer,
    ServerSettings,
    WorkspaceDatabase,
    new_credential,
    place_of,
)

if TYPE_CHECKING:
    from tests.integration.postgres.conftest import Tenant
    from tests.servers import PostgresProcess

_DOCS = Path(__file__).resolve().parents[3] / "docs"
_BLOCK = re.compile(r"```sql\n(.*?)```", re.DOTALL)
ROLE, EXTENSIONS, DATABASES, TWO_LOGINS = _BLOCK.findall((_DOCS / "database.md").read_text())


def renamed(text: str, suffix: str) -> list[str]:
    """Statements with names that no other test on this server has."""
    text = re.sub(r"\bagentos(_\w+)?\b(?!\.)", lambda name: f"{name[0]}_{suffix}", text)
    return [statement for line in text.splitlines() if (statement := line.strip())]


async def test_what_the_page_prepares_is_all_that_the_operator_needs(
    postgres: PostgresProcess, desired: WorkspaceDatabase, settings: ServerSettings, tmp_path: Path
) -> None:
    suffix = uuid.uuid4().hex[:8]
    has_pgvector = postgres.version == 17
    for statement in renamed(ROLE, suffix):
        postgres.run(sql.SQL(statement))
    database = f"agentos_{suffix}"
    for statement in renamed(EXTENSIONS, suffix) if has_pgvector else ():
        postgres.run(sql.SQL(statement), database)
    for statement in renamed(TWO_LOGINS, suffix):
        postgres.run(sql.SQL(statement))
    credential = new_credential()
    for role in ("operator", "blue", "green"):
        (tmp_path / "username").write_text(f"agentos_{role}_{suffix}")
        (tmp_path / "password").write_text("change-me")
        server = PostgresServer(dataclasses.replace(settings, database=database, credentials_dir=tmp_path))
        facts = await server.prepare()
        assert [text for text in facts.warnings if database in text or "template1" in text] == []
        assert (facts.pgvector_installed is not None) == has_pgvector
        ensured = await server.ensure_workspace(desired, {desired.names.login_a: credential}, verify_logins=True)
        assert (ensured.writes == 0) == (role != "operator")
        await server.close()
    with psycopg.connect(server.login_url(desired.names.login_a, credential.password)) as connection:
        connection.execute("CREATE TABLE works (id int)")
    last = PostgresServer(server.settings)
    await last.drop_workspace(desired.names, desired.uid)
    await last.close()
    postgres.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


def test_a_workspace_is_backed_up_and_restored_as_the_page_says(
    postgres: PostgresProcess, tenant: Tenant, tmp_path: Path
) -> None:
    if postgres.version != 15:
        pytest.skip("this machine's pg_dump is of version 15")
    with tenant.connect() as connection:
        connection.execute("CREATE TABLE notes AS SELECT 'kept' AS text")
    (script,) = re.findall(r"```sh\n(.*?)```", (_DOCS / "database.md").read_text(), re.DOTALL)
    dump, restore = script.splitlines()
    environment = {**os.environ, "SCHEMA": tenant.desired.names.schema, "DATABASE_URL": tenant.url}
    subprocess.run(["sh", "-euc", dump], env=environment, cwd=tmp_path, check=True)
    with tenant.connect() as connection:
        connection.execute("DROP TABLE notes")
    restored = subprocess.run(
        ["sh", "-euc", restore], env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "permission denied" in restored.stderr
    with tenant.connect() as connection:
        assert connection.execute(
            "SELECT text, tableowner FROM notes, pg_tables WHERE tablename = 'notes' AND schemaname = current_schema"
        ).fetchone() == ("kept", tenant.desired.names.owner)


def test_the_installation_page_shows_the_same_statements() -> None:
    assert _BLOCK.findall((_DOCS / "install.md").read_text())[:2] == [ROLE, EXTENSIONS]


async def test_a_database_of_its_own_needs_what_the_page_says_and_no_more(
    postgres: PostgresProcess, desired: WorkspaceDatabase, settings: ServerSettings, tmp_path: Path
) -> None:
    suffix = uuid.uuid4().hex[:8]
    has_pgvector = postgres.version == 17
    for statement in (*renamed(ROLE, suffix), *renamed(DATABASES, suffix)):
        postgres.run(sql.SQL(statement))
    (tmp_path / "username").write_text(f"agentos_operator_{suffix}")
    (tmp_path / "password").write_text("change-me")
    server = PostgresServer(dataclasses.replace(settings, database=f"agentos_{suffix}", credentials_dir=tmp_path))
    place = place_of(server, "Database", desired.names)
    credentials = {desired.names.login_a: new_credential()}
    try:
        for statement in renamed(EXTENSIONS, suffix) if has_pgvector else ():
            postgres.run(sql.SQL(statement), "template1")
        await place.ensure_workspace(desired, credentials)
        url = place.login_url(desired.names.login_a, credentials[desired.names.login_a].password)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE works (id int)")
            if has_pgvector:
                connection.execute("CREATE TABLE items (embedding vector(3))")
                assert not [text for text in place.warnings or () if "not installed" in text]
    finally:
        if has_pgvector:
            postgres.run(sql.SQL("DROP SCHEMA ext CASCADE"), "template1")
        await place.drop_workspace(desired.names, desired.uid)
        await server.close()
    postgres.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(f"agentos_{suffix}")))
