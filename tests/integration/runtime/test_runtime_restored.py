"""A runtime lives in either kind of database, and finds its sessions again in data that a new Workspace took over."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg import sql

from agentos_operator.clients.postgres import (
    PostgresServer,
    ServerSettings,
    WorkspaceDatabase,
    new_credential,
    place_of,
)
from agentos_operator.database_names import DatabaseNames, database_names
from local.postgres import PASSWORD, SUPERUSER, PostgresProcess
from tests.integration.runtime.conftest import make_token


@pytest.fixture
def settings(postgres: PostgresProcess, tmp_path: Path) -> Iterator[ServerSettings]:
    """A database that workspaces share, and the operator's credentials for it."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "username").write_text(SUPERUSER)
    (folder / "password").write_text(PASSWORD)
    name = f"test_{uuid.uuid4().hex[:12]}"
    postgres.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield ServerSettings("default", "127.0.0.1", postgres.port, name, "disable", folder)
    postgres.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def workspace(name: str, restore_from: str | None = None) -> WorkspaceDatabase:
    """What the operator is asked for."""
    uid = str(uuid.uuid4())
    return WorkspaceDatabase(database_names(name, uid), uid, restore_from=restore_from)


async def made(server: PostgresServer, isolation: str, desired: WorkspaceDatabase) -> str:
    """URL of a workspace's login, as its Secret has it."""
    credential, names = new_credential(), desired.names
    place = place_of(server, isolation, names)
    await place.ensure_workspace(desired, {names.login_a: credential})
    return place.login_url(names.login_a, credential.password)


def serve(start: Any, url: str, names: DatabaseNames) -> tuple[Any, httpx.Client]:
    """A runtime on this login, and Alice before it."""
    process = start(AGENTOS_DATABASE_URL=url, AGENTOS_DATABASE_SCHEMA=names.schema)
    process.wait_until("/readyz")
    headers = {"Authorization": f"Bearer {make_token()}"}
    return process, httpx.Client(base_url=process.url, headers=headers, timeout=60)


@pytest.mark.parametrize("isolation", ["Schema", "Database"])
async def test_sessions_are_there_again_in_a_workspace_that_took_the_data_over(
    isolation: str, settings: ServerSettings, start: Any
) -> None:
    server, first = PostgresServer(settings), workspace("acme")
    process, alice = serve(start, await made(server, isolation, first), first.names)
    with alice:
        asked = {"message": "Remember this", "stream": "false"}
        session = alice.post("/agents/support/runs", data=asked).json()["session_id"]
    process.stop()
    await place_of(server, isolation, first.names).retain_workspace(first.names, first.uid, "acme")
    second = workspace("acme", restore_from=first.names.schema)
    process, alice = serve(start, await made(server, isolation, second), second.names)
    with alice:
        assert alice.get(f"/sessions/{session}").json()["session_id"] == session
        again = alice.post("/agents/support/runs", data={**asked, "session_id": session})
        assert again.json()["content"] == "You said: Remember this"
    process.stop()
    await place_of(server, isolation, second.names).drop_workspace(second.names, second.uid)
    await server.close()
