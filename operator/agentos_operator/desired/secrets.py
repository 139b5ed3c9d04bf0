"""The two Secrets of a workspace: how its runtimes reach their data, and how they verify tokens.

The values come from the reconciler, which alone makes them up; building them here keeps their form in one place. The
annotations are those of ``rotation``.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from agentos_operator.desired.common import child
from agentos_operator.naming import (
    DATABASE_SECRET,
    JWT_SECRET,
    TOKEN_ISSUER,
    workspace_labels,
)
from agentos_operator.resources.common import Object
from agentos_operator.resources.secret import secret_values
from agentos_operator.resources.workspace import Workspace

DATABASE_POD_KEYS = ("url", "schema")
"""Keys of agentos-database that pods have in their environment."""
JWT_POD_KEYS = ("verification-secrets", "issuer", "audience", "max-lifetime-seconds")
"""Keys of agentos-jwt that pods have in their environment: not the one that signs."""
DATABASE_PODS_ID = "database-credentials"
JWT_PODS_ID = "jwt-credentials"
"""Names under which ``build_deployment`` puts the ids into the pods' annotations."""


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


def build_database_secret(
    workspace: Workspace, login: DatabaseLogin, private: Mapping[str, str], annotations: Mapping[str, str]
) -> Object:
    """How a runtime reaches the workspace's schema; ``private`` are values that only the operator reads."""
    values = {
        "url": login.url,
        "schema": login.schema,
        "username": login.username,
        "password": login.password,
        "host": login.host,
        "port": str(login.port),
        "database": login.database,
        **private,
    }
    return _secret(DATABASE_SECRET, workspace, annotations, values)


def build_jwt_secret(
    workspace: Workspace, signer: str, verifiers: Iterable[str], annotations: Mapping[str, str]
) -> Object:
    """What a caller needs to sign a token for the workspace, and what its runtimes accept."""
    values = {
        "secret": signer,
        "verification-secrets": " ".join(verifiers),
        "issuer": TOKEN_ISSUER,
        "audience": workspace.meta.uid,
        "workspace": workspace.name,
        "max-lifetime-seconds": str(int(workspace.rotation.max_token_lifetime.total_seconds())),
        # For those who would sign: the runtimes have it from the Workspace.
        **({} if workspace.access.generated else {"accepted": "false"}),
    }
    return _secret(JWT_SECRET, workspace, annotations, values)


def pods_id(secret: Object | None, keys: Iterable[str]) -> str:
    """Changes with what pods have of ``secret``; 40 bits of a hash over 256 random ones tell nothing about them.

    Pods carry it, so they are replaced when it changes, and when nothing that they use does they are left alone.
    """
    values = secret_values(secret or {})
    return hashlib.sha256(repr([(key, values.get(key, "")) for key in keys]).encode()).hexdigest()[:10]


def _secret(name: str, workspace: Workspace, annotations: Mapping[str, str], values: Mapping[str, str]) -> Object:
    secret = child("v1", "Secret", name, workspace.namespace, workspace_labels(workspace.name), workspace.owner)
    secret["metadata"]["annotations"] = dict(annotations)
    secret["type"] = "Opaque"
    secret["data"] = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    return secret
