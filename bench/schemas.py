"""Fresh schemas of one PostgreSQL on loopback, each with a login of its own, as each workspace has them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from psycopg import sql

from local.postgres import HOST, PostgresProcess

PASSWORD = "not-a-secret"
_STATEMENTS = (
    "CREATE ROLE {name} LOGIN PASSWORD {password}",
    "CREATE SCHEMA {name} AUTHORIZATION {name}",
    # agno asks for its schema with CREATE SCHEMA IF NOT EXISTS, which wants this right also where there is one.
    "GRANT CREATE ON DATABASE postgres TO {name}",
)


@dataclass(frozen=True)
class Schema:
    """An empty schema and its login, which have the same name."""

    name: str
    port: int

    def url(self, scheme: str = "postgresql") -> str:
        """A libpq URI, or SQLAlchemy's with the driver in its scheme."""
        return f"{scheme}://{self.name}:{PASSWORD}@{HOST}:{self.port}/postgres"


def create(server: PostgresProcess) -> Schema:
    """A new one; it goes with the server."""
    name = f"bench_{secrets.token_hex(4)}"
    with server.connect() as connection:
        for statement in _STATEMENTS:
            names = {"name": sql.Identifier(name), "password": sql.Literal(PASSWORD)}
            connection.execute(sql.SQL(statement).format(**names))
    return Schema(name, server.port)
