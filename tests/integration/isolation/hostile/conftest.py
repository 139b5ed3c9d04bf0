"""Two tenants with logins of their own on one real server, and nothing of Kubernetes."""

from __future__ import annotations

from tests.integration.postgres.conftest import (
    _kind,
    admin,
    admin_kind,
    arena,
    desired,
    postgres,
    server,
    settings,
    tenant,
)

__all__ = ["_kind", "admin", "admin_kind", "arena", "desired", "postgres", "server", "settings", "tenant"]
