"""The probe itself against real PostgreSQL: silent where the operator has isolated, loud where that was undone."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentos_operator.database_names import database_names
from local.controlplane import free_ports
from tests.integration.apiserver import Object
from tests.integration.isolation.probing import probe
from tests.integration.operator.stage import Stage


@dataclass(frozen=True)
class Two:
    """Two workspaces in one database; the second has a table."""

    stage: Stage
    mine: str
    theirs: str

    def names(self, which: str) -> dict[str, str]:
        """What a workspace has in PostgreSQL."""
        body = self.stage.api.get("Workspace", which)
        assert body is not None
        found: dict[str, str] = body["status"]["database"]
        return found


@pytest.fixture(scope="module")
def closed_server(stage: Stage) -> Iterator[Stage]:
    """A server whose administrator has taken CONNECT from everybody, as docs/database.md asks for."""
    query = (
        "SELECT datname::text FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))"
        " WHERE datallowconn AND grantee = 0 AND privilege_type = 'CONNECT'"
    )
    opened = [name for (name,) in stage.sql(query)]
    for name in opened:
        stage.sql("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", name)
    yield stage
    for name in opened:
        if name != stage.database:
            stage.sql("GRANT CONNECT ON DATABASE {} TO PUBLIC", name)


@pytest.fixture(scope="module")
def two(closed_server: Stage) -> Two:
    stage = closed_server
    with stage.running():
        two = Two(stage, stage.ready_workspace(), stage.ready_workspace())
    with stage.log_in(f"ws-{two.theirs}") as theirs:
        theirs.execute("CREATE TABLE notes AS SELECT 'planted-note' AS text")
    return two


def neighbours(two: Two) -> list[dict[str, str]]:
    return [{key: two.names(two.theirs)[key] for key in ("schema", "owner", "login")}]


def test_where_the_operator_has_isolated_every_attempt_fails_and_is_counted(two: Two, tmp_path: Path) -> None:
    found = probe(two.stage, two.mine, tmp_path, neighbours=neighbours(two))
    assert found["breaches"] == []
    assert found["inconclusive"] == []
    assert found["attempts"]["postgresql"] >= 60
    assert not any("database" in control for control in found["failedControls"])
    assert found["cpuSeconds"] > 0


UNDONE = {
    "its schema is opened to everybody": (
        "GRANT USAGE ON SCHEMA {schema} TO PUBLIC; GRANT SELECT ON {schema}.notes TO PUBLIC",
        "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC; REVOKE ALL ON {schema}.notes FROM PUBLIC",
        "read table {schema}.notes",
    ),
    "everybody may create in its schema": (
        "GRANT USAGE, CREATE ON SCHEMA {schema} TO PUBLIC",
        "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC",
        "create a table in schema {schema}",
    ),
    "the neighbour is a member of its owner": (
        "GRANT {owner} TO {mine}",
        "REVOKE {owner} FROM {mine}",
        "become role {owner}",
    ),
    "everybody may create in public": (
        "GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "create a table in schema public",
    ),
    "everybody may create schemas": (
        "GRANT CREATE ON DATABASE {database} TO PUBLIC",
        "REVOKE CREATE ON DATABASE {database} FROM PUBLIC",
        "create a schema",
    ),
    "the tenant may create databases": (
        "ALTER ROLE {mine} CREATEDB",
        "ALTER ROLE {mine} NOCREATEDB",
        "create a database",
    ),
    "the tenant reads all data": (
        "GRANT pg_read_all_data TO {mine}",
        "REVOKE pg_read_all_data FROM {mine}",
        "read table {schema}.notes",
    ),
    "the tenant reads files of the server": (
        "GRANT pg_execute_server_program TO {mine}",
        "REVOKE pg_execute_server_program FROM {mine}",
        "run a program on the server",
    ),
    "the tenant sees what others run": (
        "GRANT pg_monitor TO {mine}",
        "REVOKE pg_monitor FROM {mine}",
        "read the statements of other sessions",
    ),
    "another database lets everybody in": (
        "GRANT CONNECT ON DATABASE postgres TO PUBLIC",
        "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC",
        "connect to database postgres",
    ),
}


@pytest.mark.parametrize("case", UNDONE)
def test_it_names_what_a_tenant_could_do_when(case: str, two: Two, tmp_path: Path) -> None:
    undo, redo, told = UNDONE[case]
    words = {**two.names(two.theirs), "mine": two.names(two.mine)["login"], "database": two.stage.database}
    run(two, undo.format(**words))
    try:
        with two.stage.log_in(f"ws-{two.theirs}"):
            found = probe(two.stage, two.mine, tmp_path, neighbours=neighbours(two))
    finally:
        run(two, redo.format(**words))
    assert told.format(**words) in " ".join(found["breaches"])


def run(two: Two, statements: str) -> None:
    for statement in statements.split("; "):
        two.stage.sql(statement)


def test_a_tenant_that_shadows_functions_and_changes_its_settings_does_not_fool_it(two: Two, tmp_path: Path) -> None:
    schema, login = (two.names(two.mine)[key] for key in ("schema", "login"))
    with two.stage.log_in(f"ws-{two.mine}") as mine:
        mine.execute(
            f"CREATE FUNCTION {schema}.pg_get_userbyid(oid) RETURNS name LANGUAGE sql AS $$ SELECT 'nobody'::name $$"
        )
        mine.execute(f"CREATE VIEW {schema}.pg_roles AS SELECT 'nobody'::name AS rolname, false AS rolsuper")
        mine.execute("SET ROLE NONE")
        mine.execute(f"ALTER ROLE {login} SET search_path = {schema}, pg_catalog")
    try:
        found = probe(two.stage, two.mine, tmp_path)
        assert found["breaches"] == []
        assert found["attempts"]["postgresql"] >= 60
    finally:
        with two.stage.log_in(f"ws-{two.mine}") as mine:
            mine.execute(f"DROP VIEW {schema}.pg_roles; DROP FUNCTION {schema}.pg_get_userbyid(oid)")


def test_it_changes_nothing_of_anybody_and_leaves_nothing(two: Two, tmp_path: Path) -> None:
    run(two, f"GRANT CREATE ON DATABASE {two.stage.database} TO PUBLIC")
    try:
        assert probe(two.stage, two.mine, tmp_path)["breachCount"] > 0
    finally:
        run(two, f"REVOKE CREATE ON DATABASE {two.stage.database} FROM PUBLIC")
    left = two.stage.sql(
        "SELECT relname FROM pg_class WHERE relname LIKE 'agentos_iso%'"
        " UNION ALL SELECT nspname FROM pg_namespace WHERE nspname LIKE 'agentos_iso%'"
        " UNION ALL SELECT datname FROM pg_database WHERE datname LIKE 'agentos_iso%'"
    )
    assert left == []


def test_a_database_that_does_not_answer_is_a_failed_control_and_no_isolation(two: Two, tmp_path: Path) -> None:
    login = two.names(two.mine)["login"]
    run(two, f"ALTER ROLE {login} CONNECTION LIMIT 0")
    try:
        found = probe(two.stage, two.mine, tmp_path)
    finally:
        run(two, f"ALTER ROLE {login} CONNECTION LIMIT 40")
    assert found["attempts"]["postgresql"] == 0
    assert any("own database answers" in control for control in found["failedControls"])


@contextmanager
def runtime(answer: Callable[[str | None], int]) -> Iterator[int]:
    """A runtime that gives ``answer`` to a token; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer(self.headers.get("Authorization")))
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def told(two: Two, folder: Path, answer: Callable[[str | None], int]) -> Object:
    with runtime(answer) as port:
        return probe(two.stage, two.mine, folder, runtimes=["127.0.0.1"], port=port)


def test_a_runtime_that_takes_every_token_is_a_breach_that_names_the_token(two: Two, tmp_path: Path) -> None:
    found = told(two, tmp_path, lambda _: 200)
    assert found["breachCount"] == 16
    assert found["breaches"][0] == "get in with no token (answer 200)"


def test_a_runtime_that_refuses_a_good_token_proves_nothing(two: Two, tmp_path: Path) -> None:
    found = told(two, tmp_path, lambda _: 401)
    assert found["breaches"] == []
    assert found["attempts"]["token"] == 16
    assert "a runtime accepts a good token of its own (its answer was 401)" in found["failedControls"]


def test_a_runtime_that_fails_is_no_refusal(two: Two, tmp_path: Path) -> None:
    assert told(two, tmp_path, lambda _: 503)["inconclusive"]


def test_an_address_that_answers_is_a_breach_and_a_silent_one_counts_only_where_somebody_listens(
    two: Two, tmp_path: Path
) -> None:
    (closed,) = free_ports(1)
    with runtime(lambda _: 200) as port:
        open_ = {"name": "the operator", "host": "127.0.0.1", "port": port, "up": True}
        held = {"name": "the API server", "host": "127.0.0.1", "port": closed, "up": True}
        down = {"name": "the metadata address", "host": "127.0.0.1", "port": closed, "up": False}
        found = probe(two.stage, two.mine, tmp_path, endpoints=[open_, held, down])
    assert found["breaches"] == [f"connect to the operator at 127.0.0.1 port {port}"]
    assert found["attempts"]["network"] == 2


def test_a_workspace_with_a_database_of_its_own_is_isolated_too_and_an_open_one_is_found(
    closed_server: Stage, tmp_path: Path
) -> None:
    stage = closed_server
    with stage.running():
        mine, theirs = (stage.ready_workspace(database={"isolation": "Database"}) for _ in range(2))
    body = stage.api.get("Workspace", theirs)
    assert body is not None
    names = database_names(theirs, body["metadata"]["uid"])
    known = [{"schema": names.schema, "owner": names.owner, "login": names.login_a}]
    found = probe(stage, mine, tmp_path, neighbours=known)
    assert found["breaches"] == []
    assert found["inconclusive"] == []
    assert found["attempts"]["postgresql"] >= 40
    stage.sql("GRANT CONNECT ON DATABASE {} TO PUBLIC", names.database)
    try:
        assert f"connect to database {names.database}" in probe(stage, mine, tmp_path)["breaches"]
    finally:
        stage.sql("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", names.database)
