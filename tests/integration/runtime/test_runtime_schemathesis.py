"""Everything that the OpenAPI document offers, asked with generated requests and every scope: no answer is a failure.

The requests are the same in every run (`derandomize`), and few: what they found has a test of its own by now.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from agno.os.scopes import get_default_scope_mappings
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from agentos_runtime.agents.compile import compile_components
from agentos_runtime.app import _agent_os, _authorization
from agentos_runtime.auth.internal import InternalTokens
from agentos_runtime.database.engine import create_database, create_engine
from agentos_runtime.database.queue import queue_config
from agentos_runtime.settings import AuthSettings, DatabaseSettings, Settings
from agentos_runtime.spec import parse_spec

SCOPES = sorted({scope for scopes in get_default_scope_mappings().values() for scope in scopes})
OFFERED_NOT = {501}
"""What a deployment does not have is answered 501 and is no failure."""
EXAMPLES = 3


def document() -> dict[str, Any]:
    """The OpenAPI document of the application that a runtime serves."""
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


SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_no_generated_request_is_a_failure_of_the_runtime(
    operation: Any, runtime: Any, token: Callable[..., str]
) -> None:
    headers = {"Authorization": f"Bearer {token(scopes=SCOPES)}"}

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        answer = case.call(base_url=runtime.url, headers=headers, timeout=30)
        assert answer.status_code < 500 or answer.status_code in OFFERED_NOT, (answer.status_code, answer.text)

    ask()
