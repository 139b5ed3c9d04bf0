"""Everything that a runtime offers, and every scope that opens a part of it."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from pathlib import Path
from typing import Any

from agno.os.scopes import get_default_scope_mappings

from agentos_runtime.agents.compile import compile_components
from agentos_runtime.app import _agent_os, _authorization
from agentos_runtime.auth.internal import InternalTokens
from agentos_runtime.database.engine import create_database, create_engine
from agentos_runtime.database.queue import queue_config
from agentos_runtime.settings import AuthSettings, DatabaseSettings, Settings
from agentos_spec import parse_spec

SCOPES = sorted({scope for scopes in get_default_scope_mappings().values() for scope in scopes})


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of the application that a runtime serves.

    It takes seconds to make, so no module asks for it when it is imported: every worker imports all of them.
    """
    database = DatabaseSettings("postgresql://nobody@127.0.0.1:1/none", "none")
    told = Settings("acme", "support", Path(), database, AuthSettings(("x" * 32,), "audience"))
    support = {"id": "support", "model": {"id": "openai-chat:gpt-4o-mini"}}
    spec = parse_spec({"kind": "AgentDeployment", "metadata": {"name": "support"}, "spec": {"agents": [support]}})
    tables = create_database(database, create_engine(database))
    queue = queue_config(told, spec.limits, tables, asyncio.Event())
    components = compile_components(spec, lambda *_: "planted-api-key", tables)
    served = _agent_os(told, spec, components, tables, _authorization(InternalTokens(), frozenset()), queue).get_app()
    openapi: dict[str, Any] = json.loads(json.dumps(served.openapi()))
    return openapi
