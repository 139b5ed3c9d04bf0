"""Every name that the operator gives to an object in PostgreSQL; for ``reconcile`` and ``clients``.

Guarantees:

* every name matches ``^[a-z][a-z0-9_]{0,40}$``: it needs no quotes, and PostgreSQL, which cuts names after
  63 bytes without an error, keeps it whole
  (https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS);
* names are opaque: the catalogs of a shared database are readable by every tenant and must not list the
  customers;
* two Workspaces never share a name, alike as theirs may be: the hash covers the name and the UID. A
  Workspace deleted with ``Retain`` and created again has another UID, so it starts empty and never finds
  its predecessor's data.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

TENANTS_SUFFIX = "_tenants"
_PREFIX = "ws_"
_HASH_LENGTH = 24


@dataclass(frozen=True, slots=True)
class DatabaseNames:
    """Names of what one Workspace has on its server."""

    database: str
    """Database of its own, which exists when the Workspace's isolation is Database."""
    schema: str
    """Schema that holds the tenant's tables; owned by the operator."""
    owner: str
    """Role without login that owns everything in the schema."""
    login_a: str
    """First of two login roles, both members of ``owner``; one is in use, the other is for rotation."""
    login_b: str
    """Second login role."""

    @property
    def roles(self) -> tuple[str, str, str]:
        """All roles, the logins first: the order in which they can be dropped."""
        return (self.login_a, self.login_b, self.owner)

    @property
    def logins(self) -> tuple[str, str]:
        """The two login roles."""
        return (self.login_a, self.login_b)


def database_names(workspace: str, uid: str) -> DatabaseNames:
    """Names for the Workspace called ``workspace`` whose ``metadata.uid`` is ``uid``."""
    if not workspace or not uid:
        raise ValueError("a Workspace has a name and a uid before it has a database")
    return names_from(_PREFIX + _hash(workspace, uid))


def names_from(base: str) -> DatabaseNames:
    """Names that belong to the schema, and to the database, called ``base``."""
    return DatabaseNames(database=base, schema=base, owner=f"{base}_owner", login_a=f"{base}_a", login_b=f"{base}_b")


def tenants_role(database: str) -> str:
    """Name of the role that may connect to ``database`` and that every tenant of it is a member of.

    Roles belong to the whole server while tenants belong to one database, so the name depends on the
    database: a tenant of a second database on the same server, with an operator of its own, gains nothing
    in the first.
    """
    return "agentos_" + _hash(database) + TENANTS_SUFFIX


def _hash(*parts: str) -> str:
    """96 bits of SHA-256 in hexadecimal; NUL, which no part can contain, keeps the parts apart."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HASH_LENGTH]
