"""``OwnDatabase``: a workspace in a database of its own; called by ``reconcile`` as the server itself is.

Only one connection is opened per look at a workspace and none is kept: a thousand databases would otherwise hold a
thousand idle connections. Connections to workspaces' databases are bounded for each server by ``own_slots``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from psycopg import errors

from agentos_operator.clients.postgres import databases, hardening, registry, removal, restore
from agentos_operator.clients.postgres.catalog import gather
from agentos_operator.clients.postgres.connection import Connections, Row, Session
from agentos_operator.clients.postgres.credentials import Credential
from agentos_operator.clients.postgres.databases import check_own, creation, is_ours, look, plan_own
from agentos_operator.clients.postgres.errors import DatabaseBusy
from agentos_operator.clients.postgres.registry import Retained
from agentos_operator.clients.postgres.removal import Removal
from agentos_operator.clients.postgres.server import Ensured, PostgresServer
from agentos_operator.clients.postgres.sessions import described
from agentos_operator.clients.postgres.workspace import WorkspaceDatabase, check_ownership, retained_comment
from agentos_operator.database_names import DatabaseNames


def place_of(server: PostgresServer, isolation: str, names: DatabaseNames) -> PostgresServer:
    """Where a workspace with ``spec.database.isolation`` lives: in the shared database, or in one of its own."""
    return OwnDatabase(server, names) if isolation == "Database" else server


class OwnDatabase(PostgresServer):
    """The database of one workspace on ``server``; made for one reconciliation, it holds nothing between two."""

    def __init__(self, server: PostgresServer, names: DatabaseNames) -> None:
        super().__init__(replace(server.settings, database=names.database), may_write=server.may_write)
        self._server = server
        self._connections = Connections(self.settings, server.may_write, server.own_slots, keep=False)
        self._own_warnings: tuple[str, ...] | None = None

    @property
    def warnings(self) -> tuple[str, ...] | None:
        """Those of the server and of this database; what the shared database lacks is nothing to this tenant."""
        facts = self._server.facts
        return None if facts is None or self._own_warnings is None else facts.server_warnings + self._own_warnings

    async def retain_workspace(self, names: DatabaseNames, uid: str, workspace: str = "") -> Removal:
        """End the tenant's access; the database stays and is marked."""
        found = await self._server.run(lambda session: look(session, names.database))
        if not is_ours(found, uid) or found.database is None:
            return await self._server.run(lambda session: removal.retain(session, self.settings, names, uid))
        if found.database.comment is None:
            # Never finished, so nobody has ever been in it.
            return await self.drop_workspace(names, uid)
        removed = Removal(0, ())
        if found.database.usable:
            removed = await self.run(lambda session: removal.retain(session, self.settings, names, uid))
        if found.database.comment == retained_comment(uid):
            return removed
        entry = Retained(names.database, "Database", workspace, uid)
        writes = await self._server.run(lambda session: self._remember(session, names, entry))
        return Removal(removed.writes + writes, removed.left_alone)

    async def drop_workspace(self, names: DatabaseNames, uid: str) -> Removal:
        """Drop the database, then the roles."""
        found = await self._server.run(lambda session: look(session, names.database))
        if found.database is not None and is_ours(found, uid):
            if found.database.usable:
                await self.run(lambda session: removal.close(session, self.settings, names, uid))
            await self._server.run(lambda session: self._drop(session, names))
            removed = await self._server.drop_workspace(names, uid)
            return Removal(removed.writes + 1, removed.left_alone)
        removed = await self._server.drop_workspace(names, uid)
        alien = (f"database {names.database}",) if found.database is not None else ()
        return Removal(removed.writes, removed.left_alone + alien)

    async def _provide(self, desired: WorkspaceDatabase) -> tuple[int, int]:
        return await self._server.run(lambda session: self._make(session, desired))

    async def _make(self, session: Session, desired: WorkspaceDatabase) -> tuple[int, int]:
        """The database exists, is marked, and is closed to everybody else."""
        await self._server.prepare_when_due(session)
        names, settings = desired.names, self._server.settings
        found = await look(session, names.database)
        if found.database is None and desired.restore_from:
            await restore.restore_database(session, settings, desired, desired.restore_from)
            await self._server.list_retained(session)
            found = await look(session, names.database)
        check_own(settings, found, names, desired.uid)
        if found.database is None:
            await session.apply([creation(names)])
            found = await look(session, names.database)
        await session.apply(list(plan_own(desired, found)))
        return session.reads, session.writes

    async def _ensure(
        self, session: Session, desired: WorkspaceDatabase, credentials: Mapping[str, Credential | None]
    ) -> Ensured:
        facts = await gather(session, self.settings.database, desired.names)
        check_ownership(self.settings.name, facts, desired.names, desired.uid)
        if facts.schema is None and desired.restore_from:
            await restore.restore_schema_inside(session, self.settings, desired, desired.restore_from)
            facts = await gather(session, self.settings.database, desired.names)
        planned = await self._apply_plan(session, desired, facts, credentials)
        # The role that may connect exists only now.
        self._own_warnings = await hardening.harden_own(session, self.settings.database, desired.names.owner)
        return Ensured(session.reads, session.writes, (), planned.warnings)

    async def _remember(self, session: Session, names: DatabaseNames, entry: Retained) -> int:
        noted = await registry.remember(session, self._server.settings, entry)
        await session.apply([*noted, databases.mark(names, retained_comment(entry.uid))])
        await self._server.list_retained(session)
        return session.writes

    async def _drop(self, session: Session, names: DatabaseNames) -> None:
        """FORCE ends the sessions that the operator may end; those that it may not are named."""
        if held := await self._drop_or_blockers(session, names):
            raise DatabaseBusy(
                f"PostgreSQL server {self.settings.name}: database {names.database} is in use by {described(held)}"
            )

    async def _drop_or_blockers(self, session: Session, names: DatabaseNames) -> list[Row]:
        try:
            await databases.drop(session, names)
        except errors.ObjectInUse:
            held = await databases.sessions_in(session, names.database)
            if not held:
                raise
            return held
        return []
