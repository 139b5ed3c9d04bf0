"""The agents part of an AgentDeployment. Nothing below the parser sees the YAML again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SecretRef:
    """One key of a Secret in the workspace's namespace."""

    name: str
    key: str


@dataclass(frozen=True)
class ModelSpec:
    """A model in agno's own notation."""

    provider: str
    """agno's provider key, e.g. `openai-chat`."""
    id: str
    """The provider's name for the model, e.g. `gpt-4o-mini`."""
    base_url: str | None = None
    """Another endpoint of the same protocol: a proxy, a gateway, a model in the cluster."""
    api_key: SecretRef | None = None
    """Without one the provider's SDK looks for its own environment variable."""
    path: str = ""
    """Where in the document this stands, for messages."""


@dataclass(frozen=True)
class ToolkitSpec:
    """One of agno's toolkits, by the name of its module."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Passed to the toolkit's constructor."""
    requires_confirmation: tuple[str, ...] = ()
    """Functions that wait before they run until the user who asked, or an approver, says yes."""
    requires_approval: tuple[str, ...] = ()
    """Functions that wait for an approver: the user who asked may not decide."""
    path: str = ""


@dataclass(frozen=True)
class AgentSpec:
    """One agent, in agno's terms."""

    id: str
    model: ModelSpec
    name: str | None = None
    description: str | None = None
    instructions: tuple[str, ...] = ()
    tools: tuple[ToolkitSpec, ...] = ()
    markdown: bool = False
    add_history_to_context: bool = False
    num_history_runs: int | None = None
    update_memory_on_run: bool = False
    enable_agentic_memory: bool = False
    path: str = ""


@dataclass(frozen=True)
class Limits:
    """What one pod takes from its callers. `spec.limits` sets the first four; the others are the same everywhere."""

    body_bytes: int = 10 * 1024**2
    """A request's body, which is held in memory."""
    concurrent_runs: int = 100
    """Runs at once in one pod."""
    concurrent_runs_per_user: int = 20
    """Runs at once of one user in one pod."""
    requests_per_user_per_minute: int = 3000
    """Requests of one user to one pod in a minute."""
    header_bytes: int = 16 * 1024
    """All headers of a request together."""
    json_depth: int = 64
    """Levels of nested JSON."""
    body_seconds: float = 30.0
    """How long a sender may be silent in the middle of a body."""


@dataclass(frozen=True)
class Spec:
    """A whole deployment."""

    name: str
    agents: tuple[AgentSpec, ...]
    limits: Limits = Limits()
