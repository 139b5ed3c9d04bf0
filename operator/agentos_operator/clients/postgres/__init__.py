"""The PostgreSQL edge: the only part of the operator that speaks SQL.

::

    own          OwnDatabase, a PostgresServer for one workspace in a database of its own
    ├── databases    such a database seen from outside: made, marked, closed, dropped
    server       PostgresServer, what reconcile calls
    ├── hardening    the database as a whole, once per server
    ├── workspace    what one workspace should have, and the statements it lacks (pure)
    │   └── catalog      what it has: one query
    ├── removal      retain or drop
    ├── registry     whose the retained data was
    ├── restore      retained data becomes a new Workspace's
    ├── sessions     what a tenant is doing, and its end
    ├── credentials  passwords, verifiers, and how drift between Secret and role is found
    ├── connection   sessions with deadlines, bounded in number
    ├── settings     where the server is
    └── errors       the error tree

The order for a new workspace: make a ``new_credential()``, write it into the Secret with its id as an
annotation, then ``ensure_workspace``; ``credentials`` says why.
"""

from agentos_operator.clients.postgres.credentials import Credential, new_credential
from agentos_operator.clients.postgres.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseForbidden,
    DatabaseNotOwned,
    DatabaseUnavailable,
    RestoreImpossible,
)
from agentos_operator.clients.postgres.hardening import ServerFacts
from agentos_operator.clients.postgres.own import place_of
from agentos_operator.clients.postgres.registry import Retained
from agentos_operator.clients.postgres.removal import Removal
from agentos_operator.clients.postgres.server import Ensured, PostgresServer
from agentos_operator.clients.postgres.settings import ServerSettings, certificate_authorities
from agentos_operator.clients.postgres.workspace import WorkspaceDatabase

__all__ = [
    "Credential",
    "DatabaseBusy",
    "DatabaseError",
    "DatabaseForbidden",
    "DatabaseNotOwned",
    "DatabaseUnavailable",
    "Ensured",
    "PostgresServer",
    "Removal",
    "RestoreImpossible",
    "Retained",
    "ServerFacts",
    "ServerSettings",
    "WorkspaceDatabase",
    "certificate_authorities",
    "new_credential",
    "place_of",
]
