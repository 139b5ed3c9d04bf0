"""Gives a workspace's pods the certificate authorities of their PostgreSQL server, and keeps the copy current."""

from __future__ import annotations

from agentos_operator.clients.kinds import CONFIG_MAP
from agentos_operator.clients.postgres import PostgresServer, certificate_authorities
from agentos_operator.conditions import Aspect, held
from agentos_operator.desired.database_ca import build_database_ca
from agentos_operator.naming import DATABASE_CA_CONFIG_MAP
from agentos_operator.reconcile.children import Children
from agentos_operator.resources.workspace import Workspace


async def ensure_database_ca(children: Children, workspace: Workspace, server: PostgresServer, type_: str) -> Aspect:
    """The Namespace has the authorities, where ``server`` has any of its own; told as the aspect ``type_``."""
    certificates = certificate_authorities(server.settings)
    if certificates is not None:
        # ConfigMaps are not watched, so this look is how a change is noticed.
        await children.look(CONFIG_MAP, DATABASE_CA_CONFIG_MAP, workspace.namespace)
        await children.apply(build_database_ca(workspace, certificates))
    return held(type_, "Pods can verify their database server.")
