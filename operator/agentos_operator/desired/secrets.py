"""The two Secrets of a workspace: how its runtimes reach their data, and how they verify tokens.

The values come from the reconciler, which alone makes them up; building them here keeps their form in one place.
The credentials id in the annotations changes whenever a value does, so that pods and roles can follow without
anybody comparing secrets.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from agentos_operator.desired.common import child
from agentos_operator.naming import (
    CREDENTIALS_ANNOTATION,
    DATABASE_SECRET,
    JWT_SECRET,
    TOKEN_ISSUER,
    workspace_labels,
)
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace


@dataclass(frozen=True)
class DatabaseLogin:
    """How one login role reaches its schema."""

    url: str = field(repr=False)
    """libpq URI (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS)."""
    schema: str
    username: str
    password: str = field(repr=False)
    host: str
    port: int
    database: str


def build_database_secret(workspace: Workspace, login: DatabaseLogin, credentials_id: str) -> Object:
    """How a runtime reaches the workspace's schema."""
    values = {
        "url": login.url,
        "schema": login.schema,
        "username": login.username,
        "password": login.password,
        "host": login.host,
        "port": str(login.port),
        "database": login.database,
    }
    return _secret(DATABASE_SECRET, workspace, credentials_id, values)


def build_jwt_secret(workspace: Workspace, signing_secret: str, credentials_id: str) -> Object:
    """What a caller needs to sign a token for the workspace, and what its runtimes accept."""
    values = {
        "secret": signing_secret,
        "verification-secrets": signing_secret,
        "issuer": TOKEN_ISSUER,
        "audience": workspace.meta.uid,
        "workspace": workspace.name,
    }
    return _secret(JWT_SECRET, workspace, credentials_id, values)


def _secret(name: str, workspace: Workspace, credentials_id: str, values: Mapping[str, str]) -> Object:
    secret = child("v1", "Secret", name, workspace.namespace, workspace_labels(workspace.name), workspace.owner)
    secret["metadata"]["annotations"] = {CREDENTIALS_ANNOTATION: credentials_id}
    secret["type"] = "Opaque"
    secret["data"] = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    return secret
