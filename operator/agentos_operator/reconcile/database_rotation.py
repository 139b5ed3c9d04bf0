"""Takes a workspace's database login from one role to the other, around the one work where SQL is run.

Every step is written to the Secret agentos-database before the next is begun: a rotation that was cut off at any point
goes on from what stands there (docs/decisions/0008).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from agentos_operator import reasons
from agentos_operator.clients.kinds import SECRET
from agentos_operator.clients.postgres import Credential, PostgresServer, WorkspaceDatabase, new_credential
from agentos_operator.database_names import DatabaseNames
from agentos_operator.desired.secrets import (
    DATABASE_POD_KEYS,
    DATABASE_PODS_ID,
    DatabaseLogin,
    build_database_secret,
    pods_id,
)
from agentos_operator.naming import DATABASE_SECRET
from agentos_operator.reconcile.children import Children
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.rotation_report import (
    POLL_SECONDS,
    Progress,
    RotationReport,
    Step,
    finished,
    under_way,
)
from agentos_operator.reconcile.stragglers import Stragglers, find_stragglers
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace
from agentos_operator.rotation.logins import (
    Logins,
    login_annotations,
    login_values,
    read_logins,
    retire,
    stage,
    switch,
)
from agentos_operator.rotation.schedule import is_due


@dataclass(frozen=True)
class DatabaseWork:
    """Whose login it is, and where."""

    context: Context
    children: Children
    workspace: Workspace
    names: DatabaseNames
    server: PostgresServer
    report: RotationReport


class DatabaseRotation:
    """One reconciliation's look at the login: ``begin``, then SQL with ``credentials``, then ``advance``."""

    def __init__(self, work: DatabaseWork, logins: Logins, waiting: Stragglers | None, now: datetime) -> None:
        self._place = work
        self._logins = logins
        self._waiting = waiting
        self._now = now

    @classmethod
    async def begin(cls, work: DatabaseWork) -> DatabaseRotation:
        """Read the Secret, start what is due, store it."""
        now = work.context.now()
        live = await work.children.look(SECRET, DATABASE_SECRET, work.workspace.namespace)
        known = work.report.previous.get("database", {}).get("login", "")
        wish = work.workspace.rotation.database
        logins = read_logins(live, work.names, known, wish, now, new_credential)
        if not logins.under_way and is_due(wish, logins.past, now):
            logins = stage(logins, wish, new_credential)
        # The Secret comes before the role: a password that nobody stored could never be used.
        return await cls(work, logins, None, now)._stored(logins)

    @property
    def credentials(self) -> Mapping[str, Credential | None]:
        """By login role, what must be able to log in from now on."""
        return (replace(self._logins, previous=None) if self._retires else self._logins).credentials

    @property
    def _retires(self) -> bool:
        return self._logins.previous is not None and self._waiting is None

    async def advance(self, desired: WorkspaceDatabase) -> None:
        """The roles are as ``credentials`` asked for: take the next step, if it can be taken."""
        if self._retires:
            await self._place.server.end_sessions(desired, self._logins.idle)
            await self._stored(retire(self._logins, self._now))
        elif self._logins.next:
            await self._stored(switch(self._logins))

    async def _stored(self, logins: Logins) -> DatabaseRotation:
        """Write ``logins``, see which pods have not followed, report both."""
        work = self._place
        secret = _build(work, logins)
        await work.children.apply(secret)
        waiting = None
        if logins.previous:
            current = pods_id(secret, DATABASE_POD_KEYS)
            waiting = await find_stragglers(work.context, work.workspace.namespace, DATABASE_PODS_ID, current)
        work.report.progress["database"] = _progress(work, logins, waiting, self._now)
        return DatabaseRotation(work, logins, waiting, self._now)


def _build(work: DatabaseWork, logins: Logins) -> Object:
    settings, password = work.server.settings, logins.current.password
    login = DatabaseLogin(
        url=work.server.login_url(logins.active, password),
        schema=work.names.schema,
        username=logins.active,
        password=password,
        host=settings.host,
        port=settings.port,
        database=settings.database,
    )
    return build_database_secret(work.workspace, login, login_values(logins), login_annotations(logins))


def _progress(work: DatabaseWork, logins: Logins, waiting: Stragglers | None, now: datetime) -> Progress:
    """What status tells about the login in use and its rotation."""
    fields: Object = {"login": logins.active}
    if not logins.under_way:
        return finished(fields, work.workspace.rotation.database, logins.past, now)
    return under_way(fields, logins.past, _moving(logins, waiting) if waiting else _in_postgres(logins))


def _moving(logins: Logins, waiting: Stragglers) -> Step:
    message = (
        f"The database login {logins.active} is in use; {logins.idle} works on and is closed when the pods that were "
        f"started with it have ended: {waiting.text}."
    )
    return Step("MovingPods", reasons.ROTATION_WAITS_FOR_PODS, message, POLL_SECONDS, {"pods": waiting.pods})


def _in_postgres(logins: Logins) -> Step:
    name, verb = ("ClosingLogin", "closed") if logins.previous else ("OpeningLogin", "opened")
    message = f"The database login {logins.idle} is being {verb} in PostgreSQL."
    return Step(name, reasons.ROTATION_WAITS_FOR_DATABASE, message, POLL_SECONDS, {})
