"""Good custom resources, and a way to write a variation of one in a line."""

from __future__ import annotations

import copy
from typing import Any

Object = dict[str, Any]
API_VERSION = "agentos.hyvve.io/v1alpha1"


def workspace(name: str = "acme", spec: Object | None = None, **changes: Any) -> Object:
    """A Workspace that says no more than it must, with ``changes`` to its spec."""
    body = {"displayName": "Acme"} if spec is None else spec
    return {
        "apiVersion": API_VERSION,
        "kind": "Workspace",
        "metadata": {"name": name},
        "spec": copy.deepcopy(body) | changes,
    }


def agent(**changes: Any) -> Object:
    """An agent that says no more than it must, with ``changes``."""
    return {"id": "helper", "model": {"id": "openai-chat:gpt-4o-mini"}} | changes


def deployment(name: str = "support", namespace: str = "ws-schema", **changes: Any) -> Object:
    """An AgentDeployment of one agent, with ``changes`` to its spec."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AgentDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"agents": [agent()]} | changes,
    }
