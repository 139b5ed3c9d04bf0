"""Gives retained data to a new Workspace: renamed and marked anew, never copied; for ``server`` and ``own``.

Only what is marked as retained is taken: a Workspace that names another's live schema gets an error, and no schema is
made in the place of one that is missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from agentos_operator.clients.postgres import databases, registry
from agentos_operator.clients.postgres.catalog import Facts, gather
from agentos_operator.clients.postgres.connection import Session
from agentos_operator.clients.postgres.errors import DatabaseBusy, RestoreImpossible
from agentos_operator.clients.postgres.sessions import described
from agentos_operator.clients.postgres.settings import ServerSettings
from agentos_operator.clients.postgres.workspace import WorkspaceDatabase, marker, owned, retained_uid
from agentos_operator.database_names import DatabaseNames, names_from


async def restore_schema(session: Session, settings: ServerSettings, desired: WorkspaceDatabase, name: str) -> None:
    """Make the retained schema ``name`` and its roles those of ``desired``, in one transaction."""
    source = names_from(name)
    facts = await gather(session, settings.database, source)
    if facts.schema is None:
        other = await databases.look(session, source.database)
        raise _missing(settings, name, "Schema", exists=other.database is not None)
    uid = _free(settings, name, facts.schema.comment, mine=facts.schema.owner == facts.me)
    await session.apply(
        [
            *_rename_schema(source, desired),
            *_rename_roles(source, desired, facts, uid),
            *await registry.forget(session, settings, name),
        ]
    )


async def restore_database(session: Session, settings: ServerSettings, desired: WorkspaceDatabase, name: str) -> None:
    """Make the retained database ``name`` and its roles those of ``desired``, in one transaction.

    The schema in it follows with ``restore_schema_inside``: another database takes another connection.
    """
    source = names_from(name)
    found = await databases.look(session, source.database)
    facts = await gather(session, settings.database, source)
    if found.database is None:
        raise _missing(settings, name, "Database", exists=facts.schema is not None)
    uid = _free(settings, name, found.database.comment, mine=found.database.owner == found.me)
    if held := await databases.sessions_in(session, source.database):
        raise DatabaseBusy(f"PostgreSQL server {settings.name}: database {name} is in use by {described(held)}")
    old, new = sql.Identifier(source.database), sql.Identifier(desired.names.database)
    await session.apply(
        [
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(old, new),
            databases.mark(desired.names, marker(desired.uid)),
            *_rename_roles(source, desired, facts, uid),
            *await registry.forget(session, settings, name),
        ]
    )


async def restore_schema_inside(
    session: Session, settings: ServerSettings, desired: WorkspaceDatabase, name: str
) -> None:
    """Rename the schema in a database that was taken over."""
    source = names_from(name)
    facts = await gather(session, settings.database, source)
    if facts.schema is None:
        raise RestoreImpossible(
            f"PostgreSQL server {settings.name}: database {settings.database}, restored from {name}, lost its schema"
        )
    _free(settings, name, facts.schema.comment, mine=facts.schema.owner == facts.me)
    await session.apply(list(_rename_schema(source, desired)))


def _missing(settings: ServerSettings, name: str, isolation: str, *, exists: bool) -> RestoreImpossible:
    if exists:
        other = "Database" if isolation == "Schema" else "Schema"
        return RestoreImpossible(
            f"PostgreSQL server {settings.name}: {name} was retained with isolation {other} and cannot be restored "
            f"with isolation {isolation}; make a new Workspace with spec.database.isolation {other}"
        )
    return RestoreImpossible(
        f"PostgreSQL server {settings.name}: there is no retained {isolation.lower()} {name}; `agentosctl retained` "
        "lists what there is. Nothing was made in its place"
    )


def _free(settings: ServerSettings, name: str, comment: str | None, *, mine: bool) -> str:
    """UID under which ``name`` was retained; raises when it was not, or is not the operator's."""
    uid = retained_uid(comment)
    if uid is None or not mine:
        raise RestoreImpossible(
            f"PostgreSQL server {settings.name}: {name} is not retained but in use, or somebody else's; "
            "it was not touched. `agentosctl retained` lists what can be restored"
        )
    return uid


def _rename_schema(source: DatabaseNames, desired: WorkspaceDatabase) -> Iterator[sql.Composable]:
    new = sql.Identifier(desired.names.schema)
    yield sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(source.schema), new)
    yield sql.SQL("COMMENT ON SCHEMA {} IS {}").format(new, sql.Literal(marker(desired.uid)))


def _rename_roles(
    source: DatabaseNames, desired: WorkspaceDatabase, facts: Facts, uid: str
) -> Iterator[sql.Composable]:
    """Roles that are marked as the former Workspace's; one that is missing is made anew afterwards."""
    for old, new in zip(source.roles, desired.names.roles, strict=True):
        if old in facts.roles and owned(facts.roles[old].comment, uid):
            role = sql.Identifier(new)
            yield sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(old), role)
            yield sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(marker(desired.uid)))
