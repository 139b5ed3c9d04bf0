"""What an AgentDeployment declares. Nothing below the parser sees the YAML again.

Spec
  agents      AgentSpec      one model, toolkits and MCP servers, guardrails, agno's parameters by their own names
  teams       TeamSpec       an agent of agents: its members are named by id
  workflows   WorkflowSpec   steps in an order, each run by an agent, a team or another workflow
  schedules   ScheduleSpec   runs of any of them that a clock begins
  knowledge   KnowledgeSpec  texts that agents and teams search, named by id
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentos_spec.arguments import ModelSpec, SecretRef, models_in


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

    @property
    def approved(self) -> tuple[str, ...]:
        """Functions that wait for an approver, by the names that the model calls."""
        return self.requires_approval


@dataclass(frozen=True)
class McpServerSpec:
    """A server of tools that is reached over HTTP, by the Model Context Protocol."""

    name: str
    url: str
    transport: str = "streamable-http"
    headers: Mapping[str, str | SecretRef] = field(default_factory=dict)
    """Sent with every request."""
    include_tools: tuple[str, ...] = ()
    """Only these of its tools; all where there are none here."""
    exclude_tools: tuple[str, ...] = ()
    timeout_seconds: int = 10
    """How long it may take to answer anything, a call included."""
    tool_name_prefix: str | None = None
    """The model calls `<prefix>_<tool>`."""
    requires_confirmation: tuple[str, ...] = ()
    """As of a toolkit, by the server's own names."""
    requires_approval: tuple[str, ...] = ()
    path: str = ""

    @property
    def approved(self) -> tuple[str, ...]:
        """Tools that wait for an approver, by the names that the model calls."""
        return tuple(self.called(name) for name in self.requires_approval)

    def called(self, tool: str) -> str:
        """What the model calls a tool of the server."""
        return f"{self.tool_name_prefix}_{tool}" if self.tool_name_prefix else tool


@dataclass(frozen=True)
class BasicAuth:
    """A user and a password, as HTTP's own scheme sends them."""

    username: str
    password: SecretRef


@dataclass(frozen=True)
class OpenApiSpec:
    """An HTTP API: each operation of its OpenAPI document is a tool."""

    name: str
    base_url: str
    """Where every request goes; what the document says about servers counts for nothing."""
    inline: Mapping[str, Any] | None = None
    """The document itself; None where a ConfigMap has it."""
    config_map: str = ""
    key: str = ""
    headers: Mapping[str, str | SecretRef] = field(default_factory=dict)
    """Sent with every request."""
    bearer: SecretRef | None = None
    basic: BasicAuth | None = None
    include_operations: tuple[str, ...] = ()
    """Only these, by their `operationId`; all where there are none here."""
    exclude_operations: tuple[str, ...] = ()
    timeout_seconds: int = 10
    """How long a whole answer may take."""
    max_response_bytes: int = 64 * 1024
    """As much of an answer as the model gets to see."""
    tool_name_prefix: str | None = None
    """The model calls `<prefix>_<operation>`."""
    requires_confirmation: tuple[str, ...] = ()
    """As of a toolkit, by the ids of operations."""
    requires_approval: tuple[str, ...] = ()
    path: str = ""

    @property
    def approved(self) -> tuple[str, ...]:
        """Operations that wait for an approver, by the names that the model calls."""
        return tuple(self.called(name) for name in self.requires_approval)

    def called(self, operation: str) -> str:
        """What the model calls an operation: providers take 64 letters, digits, `_` and `-`."""
        name = f"{self.tool_name_prefix}_{operation}" if self.tool_name_prefix else operation
        return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]


ToolSpec = ToolkitSpec | McpServerSpec | OpenApiSpec


@dataclass(frozen=True)
class EmbedderSpec:
    """The model that turns texts into vectors."""

    provider: str
    """A key of `EMBEDDERS`."""
    id: str
    """The provider's name for the model, e.g. `text-embedding-3-small`."""
    dimensions: int
    """How many numbers a vector has."""
    base_url: str | None = None
    api_key: SecretRef | None = None
    """Without one the provider's SDK looks for its own environment variable."""
    path: str = ""

    @property
    def label(self) -> str:
        """Provider and model as the document writes them."""
        return f"{self.provider}:{self.id}"


@dataclass(frozen=True)
class SourceSpec:
    """Where texts come from: a ConfigMap of the workspace's namespace, one key of it, or a URL."""

    config_map: str | None = None
    key: str | None = None
    url: str | None = None
    path: str = ""

    @property
    def label(self) -> str:
        """What people and the store know it by."""
        if self.url is not None:
            return self.url
        return f"configMap/{self.config_map}" + (f"/{self.key}" if self.key else "")


@dataclass(frozen=True)
class KnowledgeSpec:
    """Texts that agents and teams may search."""

    id: str
    embedder: EmbedderSpec
    description: str | None = None
    sources: tuple[SourceSpec, ...] = ()
    max_results: int = 10
    """How many pieces of text one search finds at most."""
    path: str = ""


@dataclass(frozen=True)
class GuardrailSpec:
    """One of agno's guardrails, which sees a question before the model does and may refuse it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Passed to the guardrail's constructor."""
    path: str = ""


@dataclass(frozen=True)
class HookSpec:
    """A function, or a guardrail, of an image's own, which sees what goes into a run, comes out of it or is called."""

    name: str
    """`<module>.<function>`, of the package agentos_hooks."""
    path: str = ""


@dataclass(frozen=True)
class ComponentSpec:
    """What an agent and a team have in common."""

    id: str
    name: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    guardrails: tuple[GuardrailSpec, ...] = ()
    pre_hooks: tuple[HookSpec, ...] = ()
    """Called with the input of a run, after the guardrails."""
    post_hooks: tuple[HookSpec, ...] = ()
    """Called with its answer."""
    tool_hooks: tuple[HookSpec, ...] = ()
    """Called around each call of a tool."""
    knowledge: str | None = None
    """Id of what it may search."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Values for agno's constructor under agno's names; a model is a ModelSpec, a form a JsonSchema, an object of one
    of agno's classes a BlockSpec."""
    path: str = ""
    model: ModelSpec = field(kw_only=True)

    @property
    def hooks(self) -> tuple[HookSpec, ...]:
        """All of them."""
        return (*self.pre_hooks, *self.post_hooks, *self.tool_hooks)

    def all_models(self) -> Iterator[ModelSpec]:
        """The one that answers and those that are asked beside it."""
        yield self.model
        yield from models_in(self.parameters.values())


@dataclass(frozen=True, kw_only=True)
class AgentSpec(ComponentSpec):
    """One agent, in agno's terms."""


@dataclass(frozen=True, kw_only=True)
class TeamSpec(ComponentSpec):
    """One team: a model that leads members."""

    members: tuple[str, ...]
    """Ids of agents and teams of the same document."""


@dataclass(frozen=True)
class ReviewSpec:
    """What a step of a workflow waits for a person with: agno's HumanReview."""

    parameters: Mapping[str, Any]
    """Values for agno's constructor under agno's names."""
    by_approver: bool = False
    """Whether the user who asked may not decide."""
    path: str = ""


@dataclass(frozen=True)
class StepSpec:
    """One step of a workflow, of any type: those that group others hold them in `steps`."""

    type: str
    """The name of agno's class: Step, Steps, Parallel, Condition, Loop, Router."""
    name: str
    agent: str | None = None
    team: str | None = None
    workflow: str | None = None
    steps: tuple[StepSpec, ...] = ()
    """What is inside; of a Router, what it chooses from."""
    else_steps: tuple[StepSpec, ...] = ()
    """What a Condition does when it does not hold."""
    expression: str | None = None
    """A Condition's evaluator, a Loop's end, a Router's selector: CEL."""
    on_error: str = "fail"
    """Whether a failed Step or Condition ends the workflow (`fail`) or only itself (`skip`)."""
    review: ReviewSpec | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Values for agno's constructor under agno's names."""
    path: str = ""

    def all(self) -> Iterator[StepSpec]:
        """This step and everything inside it."""
        yield self
        for step in (*self.steps, *self.else_steps):
            yield from step.all()


@dataclass(frozen=True)
class WorkflowSpec:
    """One workflow."""

    id: str
    steps: tuple[StepSpec, ...]
    name: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""

    def all_steps(self) -> Iterator[StepSpec]:
        """Every step, however deep."""
        for step in self.steps:
            yield from step.all()


@dataclass(frozen=True)
class ScheduleSpec:
    """Runs that begin at times of a clock."""

    id: str
    cron: str
    """Five fields, read by `agentos_spec.cron`."""
    timezone: str
    """Whose clock: a name of the IANA database."""
    kind: str
    """agent, team or workflow."""
    target: str
    """The id of who runs."""
    message: str
    """What every run is asked."""
    user: str | None = None
    """Whose the sessions are; None for a user of the schedule's own."""
    suspended: bool = False
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
    agents: tuple[AgentSpec, ...] = ()
    teams: tuple[TeamSpec, ...] = ()
    workflows: tuple[WorkflowSpec, ...] = ()
    schedules: tuple[ScheduleSpec, ...] = ()
    knowledge: tuple[KnowledgeSpec, ...] = ()
    limits: Limits = Limits()

    @property
    def ids(self) -> frozenset[str]:
        """Of everything that can be asked for a run."""
        components = (part.id for part in (*self.agents, *self.teams))
        return frozenset((*components, *(workflow.id for workflow in self.workflows)))

    @property
    def has_expressions(self) -> bool:
        """Whether some step of a workflow decides by an expression."""
        return any(step.expression is not None for workflow in self.workflows for step in workflow.all_steps())
