"""Tokens are tried at runtimes alone: an application of a tenant's own has routes that nobody else knows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.isolation.targets import _own_runtimes
from agentos_operator.resources.workspace import Workspace


def pod(name: str, **annotations: str) -> dict[str, Any]:
    status = {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "annotations": annotations}, "status": status}


async def test_an_application_without_agents_is_not_asked_for_its_agents() -> None:
    pods = [pod("support"), pod("quotes", **{"agentos.hyvve.io/application": "true"})]
    context = SimpleNamespace(kubernetes=SimpleNamespace(list=AsyncMock(return_value=pods)))
    found = await _own_runtimes(cast("Context", context), cast("Workspace", SimpleNamespace(namespace="ws-acme")))
    assert [each["metadata"]["name"] for each in found] == ["support"]
