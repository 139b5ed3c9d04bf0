"""``PostgresServer``: all that the operator does in one PostgreSQL database; called by ``reconcile``."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import psycopg

from agentos_operator.clients.postgres import hardening, registry, removal, restore
from agentos_operator.clients.postgres.catalog import Facts, gather
from agentos_operator.clients.postgres.connection import Connections, MayWrite, Session, connect
from agentos_operator.clients.postgres.credentials import Credential
from agentos_operator.clients.postgres.errors import DatabaseForbidden, DatabaseNotOwned, DatabaseUnavailable
from agentos_operator.clients.postgres.hardening import ServerFacts
from agentos_operator.clients.postgres.registry import Retained
from agentos_operator.clients.postgres.removal import Removal
from agentos_operator.clients.postgres.sessions import end_role_changes, end_sessions
from agentos_operator.clients.postgres.settings import ServerSettings, login_url
from agentos_operator.clients.postgres.workspace import (
    Plan,
    WorkspaceDatabase,
    check_ownership,
    plan,
    set_password,
)
from agentos_operator.database_names import DatabaseNames

_log = logging.getLogger(__name__)
_PREPARE_SECONDS = 600.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ensured:
    """What ``ensure_workspace`` found and did."""

    queries: int
    """Catalog queries."""
    writes: int
    """Statements that changed something; 0 in a steady state."""
    passwords_repaired: tuple[str, ...]
    """Login roles whose password was not the Secret's although their COMMENT said so."""
    warnings: tuple[str, ...]
    """Differences that only an administrator can end, one sentence each."""


class PostgresServer:
    """One server, shared by all reconciliations; every method is idempotent and safe to run twice at once.

    All methods raise the errors drawn in ``errors`` and nothing else of their own.
    """

    def __init__(
        self,
        settings: ServerSettings,
        clock: Callable[[], float] = time.monotonic,
        may_write: MayWrite = lambda: True,
    ) -> None:
        self.settings = settings
        self.may_write = may_write
        """Asked before each write."""
        self.facts: ServerFacts | None = None
        """What the last ``prepare`` found; None before the first."""
        self.retained: tuple[Retained, ...] | None = None
        """Data of deleted Workspaces on this server, as far as known; None before the first look."""
        self.own_slots = asyncio.Semaphore(settings.max_connections)
        """Bounds the connections to workspaces' own databases, which come on top of those to the shared one."""
        self._connections = Connections(settings, may_write)
        self._clock = clock
        self._due = 0.0

    @property
    def warnings(self) -> tuple[str, ...] | None:
        """What weakens isolation here and only an administrator can change; None before the first look."""
        return self.facts.warnings if self.facts else None

    async def prepare(self) -> ServerFacts:
        """Harden the database and report about the server.

        ``ensure_workspace`` does so by itself before the first workspace and every ten minutes, because a
        workspace in a database that lets everybody in is not isolated. New warnings are logged.
        """
        return await self._connections.run(self._prepare)

    async def ensure_workspace(
        self,
        desired: WorkspaceDatabase,
        credentials: Mapping[str, Credential | None],
        *,
        verify_logins: bool = False,
    ) -> Ensured:
        """Make schema, roles, grants and settings what ``desired`` says.

        ``credentials`` is keyed by the names of the login roles. A role without one, or with None, exists but
        cannot log in. With ``verify_logins`` a login with each credential is tried, which finds a password that
        was changed by SQL.
        """
        credentials = {name: credentials.get(name) for name in desired.names.logins}
        queries, writes = await self._provide(desired)
        ensured = await self.run(lambda session: self._ensure(session, desired, credentials))
        repaired = await self._repair_passwords(credentials) if verify_logins else ()
        return replace(
            ensured,
            queries=ensured.queries + queries,
            writes=ensured.writes + writes + len(repaired),
            passwords_repaired=repaired,
        )

    async def run(self, operation: Callable[[Session], Awaitable[T]]) -> T:
        """Result of ``operation`` on a session; for this module and ``own``."""
        return await self._connections.run(operation)

    async def _provide(self, desired: WorkspaceDatabase) -> tuple[int, int]:  # noqa: ARG002 - own's does
        """Make the database itself, where that is the workspace's own; queries and writes that it took."""
        return 0, 0

    async def can_log_in(self, role: str, password: str) -> bool:
        """Whether PostgreSQL accepts ``password`` for ``role``.

        PostgreSQL looks at the password before anything else, so a role at its CONNECTION LIMIT or without
        CONNECT has given the right one. Raises DatabaseUnavailable when the server cannot be asked. The answer
        is read from English messages: a server with another ``lc_messages`` never says False.
        """
        try:
            await (await connect(self.settings, role, password)).close()
        except DatabaseForbidden as refused:
            return "authentication failed" not in str(refused)
        except DatabaseUnavailable as refused:
            if "too many connections for role" not in str(refused):
                raise
        return True

    async def end_sessions(self, desired: WorkspaceDatabase, login: str) -> None:
        """End what the login role has open; it keeps new ones out only when it can no longer log in."""

        async def end(session: Session) -> None:
            facts = await gather(session, self.settings.database, desired.names)
            check_ownership(self.settings.name, facts, desired.names, desired.uid)
            await end_sessions(session, self.settings, desired.names, facts, login)

        await self.run(end)

    async def retain_workspace(self, names: DatabaseNames, uid: str, workspace: str = "") -> Removal:
        """End the tenant's access and keep its data, noted as that of ``workspace``; sessions are ended too."""

        async def retain(session: Session) -> Removal:
            removed = await removal.retain(session, self.settings, names, uid, workspace)
            if removed.writes:
                await self.list_retained(session)
            return removed

        return await self.run(retain)

    async def drop_workspace(self, names: DatabaseNames, uid: str) -> Removal:
        """Remove schema, data and roles. Raises DatabaseBusy while somebody else's session is in the way."""
        return await self._connections.run(lambda session: removal.drop(session, self.settings, names, uid))

    def login_url(self, role: str, password: str) -> str:
        """Connection URI of a login role, for the tenant's Secret."""
        return login_url(self.settings, role, password)

    async def close(self) -> None:
        """Close all idle connections."""
        await self._connections.close()

    async def _prepare(self, session: Session) -> ServerFacts:
        facts = await hardening.prepare(session, self.settings)
        for warning in facts.warnings:
            if self.facts is None or warning not in self.facts.warnings:
                _log.warning("PostgreSQL server %s: %s", self.settings.name, warning)
        await self.list_retained(session)
        self.facts = facts
        self._due = self._clock() + _PREPARE_SECONDS
        return facts

    async def prepare_when_due(self, session: Session) -> None:
        """``prepare`` if that was not done for a while."""
        if self._clock() >= self._due:
            await self._prepare(session)

    async def list_retained(self, session: Session) -> None:
        """Look anew at what deleted Workspaces have left; a list that is not ours must not stop the living."""
        try:
            self.retained = await registry.listing(session, self.settings)
        except DatabaseNotOwned as error:
            _log.warning("%s", error)

    async def _ensure(
        self, session: Session, desired: WorkspaceDatabase, credentials: Mapping[str, Credential | None]
    ) -> Ensured:
        facts = await gather(session, self.settings.database, desired.names)
        check_ownership(self.settings.name, facts, desired.names, desired.uid)
        if not facts.tenants_exist:
            await self._prepare(session)
        await self.prepare_when_due(session)
        if facts.schema is None and desired.restore_from:
            await restore.restore_schema(session, self.settings, desired, desired.restore_from)
            await self.list_retained(session)
            facts = await gather(session, self.settings.database, desired.names)
        planned = await self._apply_plan(session, desired, facts, credentials)
        return Ensured(session.reads, session.writes, (), planned.warnings)

    async def _apply_plan(
        self, session: Session, desired: WorkspaceDatabase, facts: Facts, credentials: Mapping[str, Credential | None]
    ) -> Plan:
        planned = plan(desired, facts, self.settings.database, credentials)
        try:
            await session.apply(planned.statements)
        except psycopg.errors.LockNotAvailable:
            if not await end_role_changes(session, desired.names, facts):
                raise
            await session.apply(planned.statements)
        return planned

    async def _repair_passwords(self, credentials: Mapping[str, Credential | None]) -> tuple[str, ...]:
        used = {name: credential for name, credential in credentials.items() if credential}
        right = await asyncio.gather(*(self.can_log_in(name, used[name].password) for name in used))
        wrong = [name for name, accepted in zip(used, right, strict=True) if not accepted]
        statements = [set_password(name, used[name]) for name in wrong]
        await self._connections.run(lambda session: session.apply(statements))
        return tuple(wrong)
