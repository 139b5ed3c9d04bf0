"""The agent that every part measures, as the custom resource says it; `bench.plain_agno` builds the same in code."""

from __future__ import annotations

from typing import Any

API_VERSION = "agentos.hyvve.io/v1alpha1"
AGENT = "support"
PATH = f"/agents/{AGENT}/runs"
MESSAGE = "What is open?"
LIMITS = {"concurrentRuns": 1000, "concurrentRunsPerUser": 1000, "requestsPerUserPerMinute": 100_000}
"""Out of the way: all load is one user's."""


def agent_deployment(name: str, namespace: str | None, model_url: str) -> dict[str, Any]:
    """One agent with a tool and its history, which talks to the scripted model."""
    agent = {
        "id": AGENT,
        "name": "Support",
        "description": "Answers customers' questions.",
        "instructions": [
            "Answer in one or two sentences.",
            "Calculate with the calculator, never in your head.",
        ],
        "addHistoryToContext": True,
        "numHistoryRuns": 5,
        "model": {
            "id": "openai-chat:gpt-4o-mini",
            "baseURL": model_url,
            "apiKeySecretRef": {"name": "openai", "key": "api-key"},
        },
        "tools": [{"toolkit": "calculator", "requiresConfirmation": ["divide"]}],
    }
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": API_VERSION,
        "kind": "AgentDeployment",
        "metadata": metadata,
        "spec": {"agents": [agent], "limits": LIMITS},
    }
