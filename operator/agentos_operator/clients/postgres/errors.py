"""What can go wrong at the PostgreSQL edge, understood by ``reconcile``.

::

    OperatorError
    └── DatabaseError             names the server; never a password, a verifier or a connection string
        ├── DatabaseUnavailable   down, starting up, read-only, too many connections, timeout: try again
        ├── DatabaseForbidden     credentials or privileges: an administrator has to do what the text says
        ├── DatabaseNotOwned      a schema or role of our name is somebody else's; nothing was touched
        ├── RestoreImpossible     what a Workspace is to be restored from is missing, in use, or of another kind
        └── DatabaseBusy          a lock that we need is held; the text says by which session, since when

Any other failure of PostgreSQL is a plain DatabaseError.

psycopg's own exceptions never leave ``clients.postgres``: their text quotes the statement, and a statement
that sets a role's password quotes its verifier.
"""

from __future__ import annotations

import re

import psycopg

from agentos_operator.errors import OperatorError

_SECRETS = (
    (re.compile(r"SCRAM-SHA-256\$[^\s'\"]+"), "SCRAM-SHA-256$…"),
    (re.compile(r"postgres(?:ql)?://\S+"), "postgresql://…"),
    (re.compile(r"(password\s*[=:]?\s*)('[^']*'|\"[^\"]*\"|=\s*\S+)", re.IGNORECASE), r"\1…"),
)

_REFUSED_LOGINS = (
    "authentication failed",
    "no pg_hba.conf entry",
    "pg_hba.conf rejects",
    "no password supplied",
    "is not permitted to log in",
    "permission denied for database",
    "does not exist",
    "certificate verify failed",
    "does not match host name",
    "server does not support SSL",
    "root certificate file",
)
"""Parts of connection failures that only an administrator can end.

libpq reports no SQLSTATE for a connection that was never established, so the text decides. On a server whose
``lc_messages`` is not English they count as unavailable, which is retried all the same.
"""

_UNAVAILABLE_CLASSES = ("08", "53", "57", "58", "XX")
_UNAVAILABLE_STATES = ("25006",)
_BUSY_STATES = ("55P03", "55006", "2BP01")
_FORBIDDEN_CLASSES = ("28", "42501", "0L", "0P", "3D")


class DatabaseError(OperatorError):
    """PostgreSQL answered with an error, or did not answer."""


class DatabaseUnavailable(DatabaseError):
    """The server cannot be reached or cannot serve now."""


class DatabaseForbidden(DatabaseError):
    """The operator's role lacks a right, or its credentials are refused."""


class DatabaseNotOwned(DatabaseError):
    """A schema or role of our name exists without our marker."""


class DatabaseBusy(DatabaseError):
    """A lock or a dependency that somebody else holds is in the way."""


class RestoreImpossible(DatabaseError):
    """What ``spec.database.restoreFrom`` names cannot be taken over; nothing was made in its place."""


def redact(text: str) -> str:
    """``text`` on one line, without what looks like a password, a verifier or a connection string."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())


def connection_failure(server: str, address: str, error: Exception) -> DatabaseError:
    """The error for a connection that could not be established."""
    text = redact(str(error))
    if any(part in text for part in _REFUSED_LOGINS):
        return DatabaseForbidden(f"PostgreSQL server {server} at {address} refuses the operator: {text}")
    return DatabaseUnavailable(f"PostgreSQL server {server} at {address} cannot be reached: {text}")


def statement_failure(server: str, error: psycopg.Error) -> DatabaseError:
    """The error for a statement that failed; only the server's own words, never the statement's."""
    state = error.sqlstate
    if state is None:
        return DatabaseUnavailable(f"PostgreSQL server {server}: {redact(str(error)) or 'the connection was lost'}")
    words = redact(". ".join(part for part in (error.diag.message_primary, error.diag.message_detail) if part))
    text = f"PostgreSQL server {server}: {words} (SQLSTATE {state})"
    if state in _BUSY_STATES:
        return DatabaseBusy(text)
    if state.startswith(_FORBIDDEN_CLASSES):
        return DatabaseForbidden(text)
    if state.startswith(_UNAVAILABLE_CLASSES) or state in _UNAVAILABLE_STATES:
        return DatabaseUnavailable(text)
    return DatabaseError(text)
