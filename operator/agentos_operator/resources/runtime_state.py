"""What a runtime answers for `/state`, read with care: its image may be a tenant's own and say anything."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentos_operator.resources.untrusted import one_line

CONNECTED, PENDING, UNAVAILABLE = "connected", "pending", "unavailable"
_BETTER_FIRST = (CONNECTED, PENDING, UNAVAILABLE)
_LONGEST_CAUSE = 200
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")


@dataclass(frozen=True)
class ServerState:
    """How one process stands with an MCP server."""

    status: str
    """Connected, pending or unavailable."""
    cause: str = ""
    """Why it is unavailable, in the words of the runtime."""


@dataclass(frozen=True)
class RuntimeState:
    """One answer."""

    version: str | None = None
    """Of the runtime, or of an application of the tenant's own."""
    agno: str | None = None
    """Of the agno in it."""
    servers: Mapping[str, ServerState] = field(default_factory=dict)
    """By name; of servers that share one, the worst."""


def parse_runtime_state(text: bytes) -> RuntimeState | None:
    """The answer, as far as it has the form of one; None when it is no JSON object."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    return RuntimeState(_version(said.get("version")), _version(said.get("agno")), _servers(said.get("mcpServers")))


def _version(said: Any) -> str | None:
    return said if isinstance(said, str) and _VERSION.fullmatch(said) else None


def _servers(said: Any) -> Mapping[str, ServerState]:
    found: dict[str, ServerState] = {}
    for each in said if isinstance(said, list) else ():
        if not isinstance(each, dict) or each.get("status") not in _BETTER_FIRST:
            continue
        name, state = str(each.get("name")), ServerState(each["status"], _cause(each))
        if name not in found or _badness(state) > _badness(found[name]):
            found[name] = state
    return found


def _cause(said: Mapping[str, Any]) -> str:
    return one_line(str(said.get("message", "")), _LONGEST_CAUSE)


def _badness(state: ServerState) -> int:
    return _BETTER_FIRST.index(state.status)
