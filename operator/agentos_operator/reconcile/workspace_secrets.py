"""The values of a workspace's two Secrets: kept while they are usable, made up when they are not."""

from __future__ import annotations

import hashlib
import secrets

from agentos_operator.clients.kinds import SECRET
from agentos_operator.clients.postgres import Credential, PostgresServer, new_credential
from agentos_operator.database_names import DatabaseNames
from agentos_operator.desired.secrets import DatabaseLogin, build_database_secret, build_jwt_secret
from agentos_operator.naming import CREDENTIALS_ANNOTATION, DATABASE_SECRET, JWT_SECRET
from agentos_operator.reconcile.children import Children
from agentos_operator.resources.common import Object
from agentos_operator.resources.secret import secret_values
from agentos_operator.resources.workspace import Workspace

SECRET_BYTES = 32
"""Random bytes of an HS256 secret: as many as its hash has (RFC 7518, 3.2)."""


async def ensure_jwt_secret(children: Children, workspace: Workspace) -> None:
    """The workspace has a signing secret in a Secret of the right form."""
    live = await children.look(SECRET, JWT_SECRET, workspace.namespace)
    value = secret_values(live).get("secret", "") if live else ""
    if len(value.encode()) < SECRET_BYTES or " " in value:
        value = secrets.token_urlsafe(SECRET_BYTES)
    identifier = hashlib.sha256(value.encode()).hexdigest()[:10]
    await children.apply(build_jwt_secret(workspace, value, identifier))


async def ensure_database_secret(
    children: Children, workspace: Workspace, names: DatabaseNames, server: PostgresServer
) -> Credential:
    """The workspace has a database Secret; returns the password that the login role must have."""
    live = await children.look(SECRET, DATABASE_SECRET, workspace.namespace)
    credential = _stored_credential(live, names.login_a) or new_credential()
    login = DatabaseLogin(
        url=server.login_url(names.login_a, credential.password),
        schema=names.schema,
        username=names.login_a,
        password=credential.password,
        host=server.settings.host,
        port=server.settings.port,
        database=server.settings.database,
    )
    await children.apply(build_database_secret(workspace, login, credential.id))
    return credential


def _stored_credential(live: Object | None, login: str) -> Credential | None:
    if live is None:
        return None
    values = secret_values(live)
    identifier = live["metadata"].get("annotations", {}).get(CREDENTIALS_ANNOTATION, "")
    password = values.get("password", "")
    usable = identifier and password.isascii() and password.isprintable() and password
    return Credential(identifier, password) if usable and values.get("username") == login else None
