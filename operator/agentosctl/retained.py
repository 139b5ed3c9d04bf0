"""`agentosctl retained`: data that deleted Workspaces have left, as the operator's ConfigMap lists it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agentosctl.cluster import CONFIG_MAP, Cluster
from agentosctl.errors import NotFound, Refused
from agentosctl.table import table as aligned

NAME = "agentos-retained"
COLUMNS = ("name", "server", "isolation", "workspace", "uid", "retained_at")
HEADINGS = ("NAME", "SERVER", "ISOLATION", "WORKSPACE", "UID", "RETAINED AT")

Entry = dict[str, str]


def gather(cluster: Cluster, namespace: str) -> list[Entry]:
    """Every entry with its server, the oldest first; none where the operator has not listed any yet."""
    try:
        data = cluster.get(CONFIG_MAP, NAME, namespace).get("data") or {}
    except NotFound:
        return []
    try:
        found = [_entry(server, each) for server, text in data.items() for each in json.loads(text)]
    except (ValueError, TypeError, KeyError) as error:
        raise Refused(f"the ConfigMap {NAME} in the namespace {namespace} is not the operator's: {error!r}") from error
    return sorted(found, key=lambda entry: (entry["retained_at"], entry["name"]))


def _entry(server: str, each: Any) -> Entry:
    return {column: server if column == "server" else str(each[column]) for column in COLUMNS}


def table(entries: Sequence[Entry]) -> str:
    """For people."""
    if not entries:
        return "Nothing is retained.\n"
    return aligned(HEADINGS, [tuple(entry[column] for column in COLUMNS) for entry in entries])


def document(entries: Sequence[Entry]) -> str:
    """For programs: a JSON list with the table's columns in camelCase."""
    listed = [
        {("retainedAt" if key == "retained_at" else key): value for key, value in each.items()} for each in entries
    ]
    return json.dumps(listed, indent=2) + "\n"
