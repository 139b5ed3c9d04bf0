"""The two Secrets of a workspace: how its runtimes reach their data, and how they verify tokens.

The values come from the reconciler, which alone makes them up; building them here keeps their form in one place.
Keys named ``credentials-id`` in the annotations change whenever a value does, so that pods can follow without
anybody comparing secrets.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

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
from agentos_operator.settings import DatabaseServer


@dataclass(frozen=True)
class Credentials:
    """A secret value and the opaque id by which it is spoken of; ``value`` never shows in a repr."""

    id: str
    value: str = field(repr=False)


def build_database_secret(
    workspace: Workspace, server: DatabaseServer, schema: str, login: str, password: Credentials
) -> Object:
    """How a runtime reaches the workspace's schema; ``url`` is a libpq URI.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
    """
    url = (
        f"postgresql://{quote(login)}:{quote(password.value, safe='')}@{_host(server.host)}:{server.port}"
        f"/{quote(server.database)}?sslmode={server.ssl_mode}"
    )
    values = {
        "url": url,
        "schema": schema,
        "username": login,
        "password": password.value,
        "host": server.host,
        "port": str(server.port),
        "database": server.database,
    }
    return _secret(DATABASE_SECRET, workspace, password.id, values)


def build_jwt_secret(workspace: Workspace, signing: Credentials) -> Object:
    """What a caller needs to sign a token for the workspace, and what its runtimes accept."""
    values = {
        "secret": signing.value,
        "verification-secrets": signing.value,
        "issuer": TOKEN_ISSUER,
        "audience": workspace.meta.uid,
        "workspace": workspace.name,
    }
    return _secret(JWT_SECRET, workspace, signing.id, values)


def _secret(name: str, workspace: Workspace, credentials_id: str, values: Mapping[str, str]) -> Object:
    secret = child("v1", "Secret", name, workspace.namespace, workspace_labels(workspace.name), workspace.owner)
    secret["metadata"]["annotations"] = {CREDENTIALS_ANNOTATION: credentials_id}
    secret["type"] = "Opaque"
    secret["data"] = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    return secret


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
