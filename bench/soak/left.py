"""What is there that should not be, and the other way round; and that a bystander was left alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentos_operator.clients.kinds import (
    AGENT_DEPLOYMENT,
    CONFIG_MAP,
    DEPLOYMENT,
    NETWORK_POLICY,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    WORKSPACE,
)
from agentos_operator.database_names import DatabaseNames
from bench import workspace
from bench.scale.client import Client
from bench.scale.fleet import objects_left

Object = dict[str, Any]
_WITHOUT_GENERATION = (CONFIG_MAP.kind, SECRET.kind, SERVICE.kind, ROLE_BINDING.kind)
"""Their resourceVersion tells of changes: nobody writes their status."""
_LOOKED_AT = (AGENT_DEPLOYMENT, CONFIG_MAP, DEPLOYMENT, NETWORK_POLICY, ROLE_BINDING, SECRET, SERVICE)


def should_be(there: Iterable[tuple[str, DatabaseNames]]) -> dict[str, set[str]]:
    """What PostgreSQL should have, for workspaces by their isolation: those with a database of their own have their
    schema in that one."""
    known = list(there)
    return {
        "roles": {role for _, names in known for role in names.roles},
        "schemas": {names.schema for isolation, names in known if isolation == "Schema"},
        "databases": {names.database for isolation, names in known if isolation == "Database"},
    }


def differences(wanted: Mapping[str, set[str]], there: Mapping[str, Any]) -> list[str]:
    """One sentence for each kind of thing of which there are more, or others, or fewer."""
    found = []
    for what, names in wanted.items():
        more, missing = sorted(set(there[what]) - names), sorted(names - set(there[what]))
        if more:
            found.append(f"{len(more)} {what} too many, such as {more[0]}")
        if missing:
            found.append(f"{len(missing)} {what} missing, such as {missing[0]}")
    return found


async def in_the_end(client: Client, database: Mapping[str, Any], retained: Sequence[str]) -> dict[str, int]:
    """What there is although every Workspace is gone, by kind; only what there is any of."""
    namespaces = await client.list("/api/v1/namespaces")
    counts = {
        **await objects_left(client),
        **{what: len(database[what]) for what in ("roles", "schemas", "databases")},
        "sessions": database["sessions"].get("workspaces", 0),
        "namespaces": sum(each["metadata"]["name"].startswith(workspace.namespace_of("")) for each in namespaces),
        "retained": len(retained),
    }
    return {what: number for what, number in counts.items() if number}


async def portrait(client: Client, name: str) -> dict[str, tuple[str, str]]:
    """All of a workspace by kind and name: the same later if nobody made it anew or changed what was asked for."""
    body = await client.get(workspace.workspace_path(name))
    found = {WORKSPACE.kind: _identity(WORKSPACE.kind, body)}
    for kind in _LOOKED_AT:
        for each in await client.list(kind.path(None, workspace.namespace_of(name))):
            found[f"{kind.kind} {each['metadata']['name']}"] = _identity(kind.kind, each)
    return found


def _identity(kind: str, body: Object) -> tuple[str, str]:
    metadata = body["metadata"]
    field = "resourceVersion" if kind in _WITHOUT_GENERATION else "generation"
    return metadata["uid"], str(metadata.get(field, ""))
