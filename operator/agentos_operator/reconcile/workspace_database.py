"""A workspace's schema and roles, from its Secret to PostgreSQL, told as one aspect of its state."""

from __future__ import annotations

from agentos_operator import reasons
from agentos_operator.clients.postgres import (
    DatabaseBusy,
    DatabaseError,
    DatabaseForbidden,
    DatabaseNotOwned,
    DatabaseUnavailable,
    PostgresServer,
    RestoreImpossible,
    WorkspaceDatabase,
)
from agentos_operator.conditions import Aspect, failed, held
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.database_rotation import DatabaseRotation, DatabaseWork

DATABASE_READY = "DatabaseReady"
DATABASE_SERVER_SAFE = "DatabaseServerSafe"

_REASONS: dict[type[DatabaseError], str] = {
    DatabaseUnavailable: reasons.DATABASE_UNAVAILABLE,
    DatabaseForbidden: reasons.DATABASE_FORBIDDEN,
    DatabaseNotOwned: reasons.DATABASE_NOT_OWNED,
    DatabaseBusy: reasons.DATABASE_BUSY,
    RestoreImpossible: reasons.RESTORE_IMPOSSIBLE,
}


async def ensure_database(work: DatabaseWork, *, may_log_in: bool) -> Aspect:
    """The workspace's Secret, schema and roles exist and fit each other; ``may_log_in`` to find that out when due."""
    context, workspace, names, server = work.context, work.workspace, work.names, work.server
    rotation = await DatabaseRotation.begin(work)
    desired = WorkspaceDatabase(
        names=names,
        uid=workspace.meta.uid,
        connection_limit=workspace.database.connection_limit,
        statement_timeout_ms=workspace.database.statement_timeout_ms,
        restore_from=workspace.database.restore_from,
    )
    verify = may_log_in and _verification_is_due(context, workspace.meta.uid)
    try:
        ensured = await server.ensure_workspace(desired, rotation.credentials, verify_logins=verify)
        await rotation.advance(desired)
    except DatabaseError as error:
        return database_failure(error)
    if verify:
        context.logins_verified[workspace.meta.uid] = context.monotonic()
    if ensured.warnings:
        return failed(DATABASE_READY, reasons.DATABASE_FORBIDDEN, " ".join(ensured.warnings), stalled=True)
    kind = "Database" if server.settings.database == names.database else "Schema"
    return held(DATABASE_READY, f"{kind} {names.schema} on server {server.settings.name} is ready.")


def server_safety(server: PostgresServer) -> Aspect:
    """What weakens isolation and only an administrator of PostgreSQL can change; the workspace works all the same."""
    if server.warnings is None:
        return Aspect(
            DATABASE_SERVER_SAFE, None, reasons.DATABASE_UNAVAILABLE, "It could not be found out yet.", required=False
        )
    if server.warnings:
        said = " ".join(f"{warning[0].upper()}{warning[1:]}." for warning in server.warnings)
        return Aspect(DATABASE_SERVER_SAFE, False, reasons.DATABASE_SERVER_UNSAFE, said, required=False)
    text = "Versions are current, and other databases of the server are closed."
    return Aspect(DATABASE_SERVER_SAFE, True, reasons.READY, text, required=False)


def database_failure(error: DatabaseError) -> Aspect:
    """The aspect that tells ``error``, whose text holds no secret."""
    reason = _REASONS.get(type(error), reasons.DATABASE_ERROR)
    stalled = isinstance(error, DatabaseForbidden | DatabaseNotOwned | RestoreImpossible)
    return failed(DATABASE_READY, reason, str(error), stalled=stalled)


def _verification_is_due(context: Context, uid: str) -> bool:
    """A password changed by SQL is found only by logging in, which costs a connection: not at each whole look."""
    last = context.logins_verified.setdefault(uid, context.monotonic())
    return context.monotonic() - last >= context.settings.resync_seconds / 2
