"""Agents: straight to agno's constructor, which refuses what it does not know.

agno's own `Agent.from_dict` loses base URLs and keys, so it is not used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agno.agent import Agent

from agentos_runtime.agents.models import compile_model
from agentos_runtime.agents.toolkits import compile_toolkit
from agentos_runtime.spec import AgentSpec, SecretRef, Spec

ReadSecret = Callable[[SecretRef, str], str]
"""The value of a referenced Secret; the second argument is the path of the field that refers to it."""


def compile_agents(spec: Spec, read_secret: ReadSecret) -> list[Agent]:
    """All agents of a deployment, without a database: AgentOS gives them its own."""
    return [_compile(agent, read_secret) for agent in spec.agents]


def _compile(agent: AgentSpec, read_secret: ReadSecret) -> Agent:
    key = agent.model.api_key
    return Agent(
        id=agent.id,
        name=agent.name or agent.id,
        model=compile_model(agent.model, read_secret(key, agent.model.path) if key else None),
        tools=[compile_toolkit(toolkit) for toolkit in agent.tools],
        telemetry=False,
        **_optional(agent),
    )


def _optional(agent: AgentSpec) -> dict[str, Any]:
    """What the spec says beyond agno's defaults, under agno's names."""
    said = {
        "description": agent.description,
        "instructions": list(agent.instructions),
        "markdown": agent.markdown,
        "add_history_to_context": agent.add_history_to_context,
        "num_history_runs": agent.num_history_runs,
        "update_memory_on_run": agent.update_memory_on_run,
        "enable_agentic_memory": agent.enable_agentic_memory,
    }
    return {name: value for name, value in said.items() if value}
