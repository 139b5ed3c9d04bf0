"""The tables that knowledge is kept in, made with the schema and before the first request.

Called by `migrate.py` with what the document declares. A table belongs to one knowledge of one deployment and to one
embedder: vectors of two models cannot be compared, and while a deployment changes its embedder the pods of both
revisions go on to search their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from agentos_runtime.errors import Reason, StartupError
from agentos_spec import KnowledgeSpec, Spec

_TABLE = (
    "CREATE TABLE IF NOT EXISTS {table} (id text PRIMARY KEY, content_id text NOT NULL, user_id text, name text,"
    " content text NOT NULL, meta_data jsonb NOT NULL DEFAULT '{{}}', embedding vector({dimensions}) NOT NULL)"
)
"""One row for each piece of a text. Without a user it is for all."""
_INDEX = "CREATE INDEX IF NOT EXISTS {index} ON {table} (content_id)"
_COMMENT = "COMMENT ON TABLE {} IS {}"
_PGVECTOR = (
    "SELECT to_regtype('vector') IS NOT NULL, EXISTS (SELECT FROM pg_extension WHERE extname = 'vector'),"
    " EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector'), current_database()"
)


@dataclass(frozen=True)
class VectorTable:
    """One table."""

    name: str
    dimensions: int
    about: str
    """Its comment: the deployment, the knowledge and the embedder, for who looks at the schema."""


def table_of(deployment: str, spec: KnowledgeSpec) -> VectorTable:
    """The table of a knowledge; its name is a digest, because the parts together would be too long for one."""
    embedder = spec.embedder
    about = f"AgentDeployment {deployment}, knowledge {spec.id}, {embedder.label}, {embedder.dimensions} dimensions"
    digest = hashlib.sha256(about.encode()).hexdigest()[:16]
    return VectorTable(f"agentos_knowledge_{digest}", embedder.dimensions, about)


def tables_of(deployment: str, spec: Spec) -> tuple[VectorTable, ...]:
    """Those of a whole document."""
    return tuple(table_of(deployment, each) for each in spec.knowledge)


def are_there(connection: psycopg.Connection[Any], schema: str, tables: Sequence[VectorTable]) -> bool:
    """Whether nothing is to be made."""
    question = "SELECT count(*) FROM pg_tables WHERE schemaname = %s AND tablename = ANY(%s)"
    row = connection.execute(question, [schema, [table.name for table in tables]]).fetchone()
    return row == (len(tables),)


def make_tables(connection: psycopg.Connection[Any], schema: str, tables: Sequence[VectorTable]) -> None:
    """Make those that are missing; the caller holds the lock under which only one replica changes the schema."""
    for table in tables:
        whole = sql.Identifier(schema, table.name)
        index = sql.Identifier(f"{table.name}_content_id")
        connection.execute(sql.SQL(_TABLE).format(table=whole, dimensions=sql.Literal(table.dimensions)))
        connection.execute(sql.SQL(_INDEX).format(index=index, table=whole))
        connection.execute(sql.SQL(_COMMENT).format(whole, sql.Literal(table.about)))


def require_pgvector(connection: psycopg.Connection[Any]) -> None:
    """A StartupError that says what an administrator must do. A tenant's login cannot install an extension."""
    usable, installed, available, database = connection.execute(_PGVECTOR).fetchone() or (False, False, False, "")
    if usable:
        return
    if installed:
        what = "is in a schema that this login cannot use: it must be in the schema ext, on which tenants have USAGE"
    elif available:
        what = f"is not installed: a superuser runs CREATE EXTENSION vector SCHEMA ext in database {database!r}"
    else:
        what = "is not on the server: install its package there, then CREATE EXTENSION vector SCHEMA ext"
    message = f"spec.knowledge needs pgvector, which {what} (docs/database.md); or take spec.knowledge out"
    raise StartupError(Reason.VECTOR_EXTENSION_MISSING, message)
