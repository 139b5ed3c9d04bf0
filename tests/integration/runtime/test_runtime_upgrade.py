"""A schema with live data of an older agno: brought up once, whole or not at all, and read through the new runtime."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from agentos_runtime.database.migrate import migrate
from agentos_runtime.errors import StartupError
from agentos_runtime.settings import DatabaseSettings
from local import paths

SCRIPT = Path(__file__).with_name("older_agno.py")
PREVIOUS_MINOR, BEFORE_RUNS_HAD_A_TABLE = "3.0.11", "2.9.0"
SCOPES = ["agents:read", "agents:run", "sessions:read", "sessions:write", "memories:read"]


def interpreter_of(agno: str) -> Path:
    """A Python with this agno and otherwise our own versions; made once per machine."""
    others = [
        f"{name}=={version(name.partition('[')[0])}" for name in ("openai", "sqlalchemy", "greenlet", "psycopg[binary]")
    ]
    folder = paths.cache() / f"agno-{agno}-python{sys.version_info.major}.{sys.version_info.minor}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            command = [
                str(folder / "bin" / "pip"),
                "install",
                "--quiet",
                "--disable-pip-version-check",
                f"agno=={agno}",
            ]
            subprocess.run([*command, *others], check=True)
            (folder / "ready").touch()
    return folder / "bin" / "python"


@dataclass(frozen=True)
class Older:
    """An older agno at work in a schema."""

    agno: str
    database: Any
    model_url: str

    def does(self, action: str, *messages: str) -> dict[str, list[str]]:
        """Write a run and a memory with each message, or only read; what is there afterwards."""
        url = self.database.url.replace("postgresql://", "postgresql+psycopg://")
        arguments = [action, url, self.database.schema, self.model_url, *messages]
        environ = {"PATH": os.environ["PATH"], "AGNO_TELEMETRY": "false"}
        done = subprocess.run(
            [interpreter_of(self.agno), SCRIPT, *arguments], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        told: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
        return told


@pytest.fixture
def older(database: Any, model: Any) -> Iterator[Callable[[str], Older]]:
    """An older agno of a version on a schema of its own, which is empty again afterwards."""

    def of(agno: str) -> Older:
        clear(database)
        return Older(agno, database, model.url)

    yield of
    clear(database)


def clear(database: Any) -> None:
    database.execute(f"DROP OWNED BY {database.schema} CASCADE")


def settings_of(database: Any) -> DatabaseSettings:
    return DatabaseSettings(database.url, database.schema)


def shape(database: Any) -> list[Any]:
    """Every column, constraint and index of the schema, and the versions that agno noted."""
    of_schema = f"'{database.schema}'"
    catalog: list[Any] = database.rows(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text FROM information_schema.columns"
        f" WHERE table_schema = {of_schema} AND table_name LIKE 'agno%'"
        f" UNION ALL SELECT tablename, indexname, indexdef, '' FROM pg_indexes WHERE schemaname = {of_schema}"
        " AND tablename LIKE 'agno%'"
        f" UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '' FROM pg_constraint"
        f" WHERE connamespace = {of_schema}::regnamespace"
    )
    return sorted([*catalog, *database.rows("SELECT table_name, version, '', '' FROM agno_schema_versions")])


def heard(process: Any, token: Callable[..., str]) -> dict[str, list[str]]:
    """What the new runtime tells alice over HTTP about the same session."""
    headers = {"Authorization": f"Bearer {token(scopes=SCOPES)}"}
    with httpx.Client(base_url=process.url, headers=headers, timeout=60) as client:
        runs = client.get("/sessions/s-older/runs", params={"type": "agent"})
        memories = client.get("/memories")
        assert (runs.status_code, memories.status_code) == (200, 200), (runs.text, memories.text)
        listed = client.get("/sessions", params={"type": "agent"}).json()["data"]
        assert [each["session_id"] for each in listed] == ["s-older"]
        return {
            "answers": [run["content"] for run in runs.json()],
            "memories": [each["memory"] for each in memories.json()["data"]],
        }


@pytest.mark.parametrize("agno", [PREVIOUS_MINOR, BEFORE_RUNS_HAD_A_TABLE])
def test_what_an_older_agno_stored_is_there_after_the_upgrade(
    older: Callable[[str], Older], start: Callable[..., Any], token: Callable[..., str], agno: str, database: Any
) -> None:
    there = older(agno).does("write", "tea", "coffee")
    assert there["answers"] == ["You said: tea", "You said: coffee"]
    replicas = [start(), start()]
    for replica in replicas:
        replica.wait_until("/readyz")
        assert heard(replica, token) == there
    assert sum('"migrated"' in replica.output for replica in replicas) == 1
    headers = {"Authorization": f"Bearer {token(scopes=SCOPES)}"}
    form = {"message": "history", "stream": "false", "session_id": "s-older"}
    answer = httpx.post(f"{replicas[0].url}/agents/support/runs", data=form, headers=headers, timeout=60)
    assert answer.json()["content"] == "Before this you said: tea | coffee"


def test_the_previous_minor_goes_on_in_a_schema_that_was_upgraded(older: Callable[[str], Older], database: Any) -> None:
    """So an old pod serves until the new ones do, and a rollback needs no backup."""
    previous = older(PREVIOUS_MINOR)
    previous.does("write", "tea")
    migrate(settings_of(database))
    assert previous.does("write", "coffee")["answers"] == ["You said: tea", "You said: coffee"]


STOP_AT_METRICS = """
CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN IF NEW.table_name = 'agno_metrics' THEN RAISE EXCEPTION 'planted'; END IF; RETURN NEW; END $$;
CREATE TRIGGER stop_here BEFORE INSERT OR UPDATE ON agno_schema_versions FOR EACH ROW EXECUTE FUNCTION stop_here()
"""
"""agno notes each table after it; sessions and memories come before this one."""


def test_a_migration_waits_until_the_main_thread_has_imported_agno(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the two imports can wait for each other, and the pod ends with MigrationFailed over nothing."""
    order: list[str] = []

    class Imported(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            order.append("waited")
            return True

    stub = ModuleType("bring_up")
    vars(stub)["bring_up"] = lambda _: order.append("brought up")
    monkeypatch.setitem(sys.modules, "agentos_runtime.database.bring_up", stub)
    database.execute("CREATE TABLE agno_sessions (session_id text)")
    migrate(settings_of(database), Imported())
    assert order == ["waited", "brought up"]


def test_a_migration_that_fails_half_way_leaves_the_older_version_as_it_was(
    older: Callable[[str], Older], start: Callable[..., Any], token: Callable[..., str], database: Any
) -> None:
    before = older(BEFORE_RUNS_HAD_A_TABLE)
    before.does("write", "tea")
    shape_before = shape(database)
    database.execute(STOP_AT_METRICS)
    process = start()
    assert process.process.wait(60) == 78
    assert process.last_words()["reason"] == "MigrationFailed"
    assert "P0001" in process.last_words()["message"]
    assert shape(database) == shape_before
    there = before.does("write", "coffee")
    database.execute("DROP FUNCTION stop_here CASCADE")
    healed = start()
    healed.wait_until("/readyz")
    assert heard(healed, token) == there == before_after("tea", "coffee")


def before_after(*messages: str) -> dict[str, list[str]]:
    """The memory is one, written anew with each message."""
    return {"answers": [f"You said: {each}" for each in messages], "memories": [f"Alice likes {messages[-1]}"]}


def test_a_table_that_somebody_holds_is_waited_for_and_not_queued_on(
    older: Callable[[str], Older], start: Callable[..., Any], database: Any, postgres: Any
) -> None:
    older(BEFORE_RUNS_HAD_A_TABLE).does("write", "tea")
    with postgres.connect() as connection:
        connection.autocommit = False
        connection.execute(f"LOCK TABLE {database.schema}.agno_schema_versions IN SHARE MODE".encode())
        process = start()
        process.wait_until("/livez")
        process.wait_until("/readyz", 503)
        wait_for_output(process, "lock timeout")
        connection.rollback()
    process.wait_until("/readyz")


def wait_for_output(process: Any, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in process.output:
        assert time.monotonic() < deadline, process.output
        time.sleep(0.1)


def test_a_schema_of_a_newer_version_is_refused_and_left_alone(
    older: Callable[[str], Older], start: Callable[..., Any], database: Any
) -> None:
    older(PREVIOUS_MINOR).does("write", "tea")
    database.execute("UPDATE agno_schema_versions SET version = '9.1.0' WHERE table_name = 'agno_sessions'")
    found = shape(database)
    process = start()
    assert process.process.wait(60) == 78
    assert process.last_words()["reason"] == "SchemaNewer"
    assert "9.1.0" in process.last_words()["message"]
    assert shape(database) == found
    with pytest.raises(StartupError, match="newer image"):
        migrate(settings_of(database))
