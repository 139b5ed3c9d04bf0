"""Passwords of tenants' login roles, and how the operator knows that a role still has the right one.

The Kubernetes Secret is the source of truth, PostgreSQL follows. Only a superuser may read the verifier that
PostgreSQL stores, so two other signs tell whether the role has the Secret's password:

* a ``Credential`` has a random id besides its password. The caller stores the id beside the password (an
  annotation of the Secret), and the transaction that sets the role's password also writes the id into the
  role's COMMENT. Ids that differ mean that a password was chosen but never arrived, for instance because
  the operator was killed between the two writes, and the password is set again. The id says nothing about
  the password, so everybody may read it.
* a login with the Secret's password (``PostgresServer.can_log_in``, or ``verify_logins`` of
  ``ensure_workspace``) finds a password that was changed by SQL, or a Secret that was edited by hand. It
  costs one connection, so callers ask for it at a resync and not at every reconciliation.

Write the Secret before the role: a crash in between leaves a Secret whose id the role lacks, which the next
call repairs, whereas a role without a Secret would leave a password that nobody knows.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from agentos_operator.clients.postgres.errors import DatabaseError

_ITERATIONS = 4096


@dataclass(frozen=True, slots=True)
class Credential:
    """One password of one login role."""

    id: str
    """Random name of this password; public."""
    password: str = field(repr=False)
    """The password itself; printable ASCII, never part of an SQL statement."""


def new_credential() -> Credential:
    """A fresh password of 256 random bits that needs no quoting in a URL, a shell or YAML."""
    return Credential(id=secrets.token_hex(8), password=secrets.token_urlsafe(32))


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL stores instead of ``password`` (RFC 5803, and ``scram_build_secret`` of PostgreSQL).

    Computed here so that the password never reaches the server's log, ``pg_stat_statements`` or an exception.
    Only ASCII, where the string preparation that SCRAM demands (RFC 4013) changes nothing.
    """
    if not (password.isascii() and password.isprintable() and password):
        raise DatabaseError("a password of a login role must be printable ASCII; delete the Secret to get a new one")
    salt = salt if salt is not None else secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${_ITERATIONS}:{_b64(salt)}${_b64(stored_key)}:{_b64(server_key)}"


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
