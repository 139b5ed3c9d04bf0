"""What a tenant must not be able to do in PostgreSQL, tried with its own login.

Nothing of another tenant is read, changed or locked even where it could be: tables are asked for no rows, and every
attempt is rolled back. What is there to be attacked is read from the catalogs, as an attacker would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from agentos_runtime.isolation.contract import Neighbour, Targets
from agentos_runtime.isolation.outcome import Attempt, Control, Outcome

FAMILY = "postgresql"
PROBE = sql.Identifier("agentos_isolation_probe")
_MOST_TARGETS = 20
"""Of a kind; a shared server has a thousand schemas, and one rule holds or fails for all of them."""
_REFUSED = "42501"
"""insufficient_privilege (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""
_ABSENT = frozenset({"3F000", "42P01", "42704", "42883", "58P01", "0A000"})
"""The schema, table, object, function, file or feature is not there."""
_CONTROL = "its own database answers"

Statement = tuple[str, sql.Composed]


@dataclass(frozen=True)
class Surface:
    """What a tenant finds in the catalogs."""

    schema: str
    operator: str
    """Owner of the workspace's schema."""
    tables: tuple[tuple[str, str], ...]
    """One table of each other schema that has any."""
    schemas: tuple[str, ...]
    roles: tuple[str, ...]
    databases: tuple[str, ...]


def try_database(url: str, schema: str, targets: Targets) -> tuple[list[Attempt], Control]:
    """Every attempt as the login itself and as the role that owns its tables."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="agentos-isolation") as mine:
            return _try_all(mine, url, schema, targets), Control(_CONTROL, succeeded=True)
    except psycopg.Error as error:
        return [], Control(_CONTROL, succeeded=False, detail=_describe(error))


def _try_all(mine: psycopg.Connection, url: str, schema: str, targets: Targets) -> list[Attempt]:
    # The tenant may have set these for its role, and functions of its own in the path would answer for built-in ones.
    for setting in ("role = none", "search_path = pg_catalog", "statement_timeout = '5s'", "lock_timeout = '1s'"):
        mine.execute(sql.SQL("SET {}").format(sql.SQL(setting)))
    found = find_surface(mine, schema, targets)
    attempts = [_try_statement(mine, each) for each in statements(found, targets)]
    attempts += [_try_creating_a_database(mine), _try_watching(mine, targets)]
    mine.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(targets.owner_role)))
    attempts += [_try_statement(mine, each) for each in statements(found, targets)]
    return attempts + [_try_connecting(url, database) for database in found.databases]


def find_surface(mine: psycopg.Connection, schema: str, targets: Targets) -> Surface:
    """What is there besides the workspace's own; its known neighbours come first."""
    known = [neighbour.schema for neighbour in targets.neighbours]
    own = [*targets.own_roles]
    rows: list[tuple[str, str]] = mine.execute(
        "SELECT nspname::text, pg_get_userbyid(nspowner)::text FROM pg_namespace"
        " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        " ORDER BY nspname <> ALL (%s), nspname",
        [known],
    ).fetchall()
    tables = mine.execute(
        "SELECT DISTINCT ON (n.nspname) n.nspname::text, c.relname::text FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        " AND n.nspname <> ALL (%s) ORDER BY n.nspname, c.relname",
        [[schema, *targets.shared_schemas]],
    ).fetchall()
    roles = mine.execute(
        "SELECT rolname::text FROM pg_roles WHERE rolname <> ALL (%s)"
        " ORDER BY rolname <> ALL (%s), rolsuper DESC, rolname",
        [own, [role for each in targets.neighbours for role in (each.owner, each.login)]],
    ).fetchall()
    databases = mine.execute(
        "SELECT datname::text FROM pg_database WHERE datallowconn AND datname <> current_database() ORDER BY datname"
    ).fetchall()
    owners = dict(rows)
    ordered = sorted(tables, key=lambda row: row[0] not in known)
    return Surface(
        schema=schema,
        operator=owners.get(schema, ""),
        tables=tuple((name, table) for name, table in ordered)[:_MOST_TARGETS],
        schemas=tuple(name for name, _ in rows if name != schema)[:_MOST_TARGETS],
        roles=tuple(name for (name,) in roles)[:_MOST_TARGETS],
        databases=tuple(name for (name,) in databases)[:_MOST_TARGETS],
    )


def statements(found: Surface, targets: Targets) -> Iterator[Statement]:
    """What is tried, each in a transaction of its own that is rolled back."""
    yield from _against_neighbours(targets.neighbours)
    for schema, table in found.tables:
        yield _one(f"read table {schema}.{table}", "SELECT FROM {}.{} LIMIT 0", schema, table)
    for schema in found.schemas:
        yield _one(f"create a table in schema {schema}", "CREATE TABLE {}.agentos_isolation_probe ()", schema)
    for role in (found.operator, *found.roles):
        yield _one(f"become role {role}", "SET LOCAL ROLE {}", role)
    yield from _against_the_server(found, targets.own_roles)


def _against_neighbours(neighbours: Sequence[Neighbour]) -> Iterator[Statement]:
    """By the names that the operator knows, whatever the catalogs show."""
    for each in neighbours:
        yield _one(f"read schema {each.schema}", "SELECT FROM {}.agno_sessions LIMIT 0", each.schema)
        yield _one(f"become role {each.owner}", "SET LOCAL ROLE {}", each.owner)
        yield _one(f"become role {each.login}", "SET SESSION AUTHORIZATION {}", each.login)


def _against_the_server(found: Surface, own_roles: Sequence[str]) -> Iterator[Statement]:
    yield _one("create a schema", "CREATE SCHEMA agentos_isolation_probe")
    yield _one("create a role", "CREATE ROLE agentos_isolation_probe")
    yield _one("create a publication", "CREATE PUBLICATION agentos_isolation_probe")
    yield _one("create a foreign data wrapper", "CREATE FOREIGN DATA WRAPPER agentos_isolation_probe")
    c_function = "CREATE FUNCTION {}.agentos_isolation_probe() RETURNS int LANGUAGE c AS 'libc.so.6', 'getpid'"
    yield _one("create a function in C", c_function, found.schema)
    yield _one("read a file of the server", "SELECT pg_catalog.pg_read_file('PG_VERSION')")
    yield _one("write a file of the server", "COPY (SELECT 1) TO '/dev/null'")
    # One that reads what it is given: `true` may have ended before, and that error would pass for a refusal.
    yield _one("run a program on the server", "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'")
    yield _one("import a file of the server", "SELECT pg_catalog.lo_import('/dev/null')")
    yield _one("read password verifiers", "SELECT rolpassword FROM pg_catalog.pg_authid LIMIT 0")
    yield _one("read samples of all data", "SELECT stavalues1 FROM pg_catalog.pg_statistic LIMIT 0")
    yield _one("reload the server", "SELECT pg_catalog.pg_reload_conf()")
    yield _one("take the operator's identity", "SET SESSION AUTHORIZATION {}", found.operator)
    for role in own_roles[:1]:
        yield _one("give itself powers", "ALTER ROLE {} CREATEROLE", role)
        yield _one("raise its connection limit", "ALTER ROLE {} CONNECTION LIMIT 1000", role)
        yield _one("join the readers of everything", "GRANT pg_read_all_data TO {}", role)
        yield _one("join the operator", "GRANT {} TO {}", found.operator, role)


def _one(name: str, statement: str, *names: str) -> Statement:
    return name, sql.SQL(statement).format(*map(sql.Identifier, names))


def _try_statement(mine: psycopg.Connection, statement: Statement) -> Attempt:
    name, query = statement
    try:
        with mine.transaction(force_rollback=True):
            mine.execute(query)
    except psycopg.Error as error:
        return Attempt(FAMILY, name, _judge(error), _describe(error))
    return Attempt(FAMILY, name, Outcome.BREACHED)


def _try_creating_a_database(mine: psycopg.Connection) -> Attempt:
    """Not possible in a transaction, so what was created is dropped again."""
    try:
        mine.execute(sql.SQL("CREATE DATABASE {}").format(PROBE))
    except psycopg.Error as error:
        return Attempt(FAMILY, "create a database", _judge(error), _describe(error))
    mine.execute(sql.SQL("DROP DATABASE {}").format(PROBE))
    return Attempt(FAMILY, "create a database", Outcome.BREACHED)


def _try_watching(mine: psycopg.Connection, targets: Targets) -> Attempt:
    """PostgreSQL shows that there are other sessions, and must not show what they run."""
    query = (
        "SELECT count(*), count(*) FILTER (WHERE query <> '<insufficient privilege>') FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND usename <> ALL (%s)"
    )
    ((others, shown),) = mine.execute(query, [[*targets.own_roles]]).fetchall()
    outcome = Outcome.BREACHED if shown else Outcome.HELD if others else Outcome.ABSENT
    return Attempt(FAMILY, "read the statements of other sessions", outcome)


def _try_connecting(url: str, database: str) -> Attempt:
    name = f"connect to database {database}"
    try:
        psycopg.connect(url, dbname=database, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        # libpq gives no SQLSTATE here. The own database has just answered, so other words than these are a fault.
        text = str(error)
        refused = "permission denied" in text or "pg_hba.conf" in text
        absent = "does not exist" in text or "not currently accepting connections" in text
        outcome = Outcome.HELD if refused else Outcome.ABSENT if absent else Outcome.UNCLEAR
        return Attempt(FAMILY, name, outcome, type(error).__name__)
    return Attempt(FAMILY, name, Outcome.BREACHED)


def _judge(error: psycopg.Error) -> Outcome:
    if error.sqlstate == _REFUSED:
        return Outcome.HELD
    return Outcome.ABSENT if error.sqlstate in _ABSENT else Outcome.UNCLEAR


def _describe(error: psycopg.Error) -> str:
    """Its kind; the text of a failed connection quotes where it went."""
    return type(error).__name__
