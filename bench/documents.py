"""The documents that the part `spec-compile` compiles, as text."""

from __future__ import annotations

from typing import Any

import yaml

from bench.agent import API_VERSION
from local.paths import CHECKOUT

MANY = 50
"""Agents, teams and workflows that a document may have, each."""
PLACES = 20
"""Members of a team, at most, and here steps of a workflow: together with all teams 2,000 places, which is the most."""


def text(name: str) -> str:
    """The AgentDeployment of a name in `bench.by_hand.BY_HAND`."""
    if name == "largest":
        return yaml.safe_dump(_largest())
    return (CHECKOUT / "examples" / f"{name}.yaml").read_text()


def _largest() -> dict[str, Any]:
    model = {
        "id": "openai-chat:gpt-4o-mini",
        "baseURL": "http://fake-model.agentos-demo.svc.cluster.local/v1",
        "apiKeySecretRef": {"name": "openai", "key": "api-key"},
    }
    tools = [{"toolkit": "calculator"}]
    numbers, places = range(MANY), range(PLACES)
    members = [f"agent-{place}" for place in places]
    steps = [{"name": f"step-{place}", "agent": f"agent-{place}"} for place in places]
    agent = {"model": model, "instructions": ["Answer briefly."], "tools": tools}
    spec = {
        "agents": [{"id": f"agent-{number}", **agent} for number in numbers],
        "teams": [{"id": f"team-{number}", "model": model, "members": members} for number in numbers],
        "workflows": [{"id": f"workflow-{number}", "steps": steps} for number in numbers],
    }
    metadata = {"name": "largest", "namespace": "ws-acme"}
    return {"apiVersion": API_VERSION, "kind": "AgentDeployment", "metadata": metadata, "spec": spec}
