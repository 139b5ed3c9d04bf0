"""From the spec to what AgentOS serves: straight to agno's constructors, which refuse what they do not know.

agno's own `from_dict` loses base URLs and keys, so it is not used. A member of a team and the executor of a step are
objects of their own, made anew for each place: agno writes into them whose part they are, and an agent that is part
of a team keeps no sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agno.agent import Agent
from agno.db.base import AsyncBaseDb
from agno.knowledge.knowledge import Knowledge
from agno.models.base import Model
from agno.team import Team, TeamMode
from agno.tools.toolkit import Toolkit
from agno.workflow import Workflow
from pydantic import BaseModel

from agentos_runtime.agents import leaders  # noqa: F401 - see there
from agentos_runtime.agents.blocks import compile_block
from agentos_runtime.agents.filters import compile_filters
from agentos_runtime.agents.forms import compile_form
from agentos_runtime.agents.guards import Hook
from agentos_runtime.agents.hooks import compile_hooks
from agentos_runtime.agents.models import compile_model
from agentos_runtime.agents.own import forget_catalogue
from agentos_runtime.agents.parts import AgentInWorkflow, ServedWorkflow, TeamInWorkflow
from agentos_runtime.agents.skills import compile_skills
from agentos_runtime.agents.tool_hooks import keep_out_of_the_loop
from agentos_runtime.agents.toolkits import toolkit_maker
from agentos_runtime.agents.workflows import Executor, compile_steps
from agentos_runtime.settings import Settings
from agentos_spec import (
    AgentSpec,
    BlockSpec,
    FiltersSpec,
    JsonSchema,
    McpServerSpec,
    ModelSpec,
    OpenApiSpec,
    SecretRef,
    SkillsSpec,
    Spec,
    StepSpec,
    TeamSpec,
    ToolkitSpec,
    ToolSpec,
    WorkflowSpec,
)

if TYPE_CHECKING:
    from agentos_runtime.agents.mcp import McpServer

_PLAIN: Mapping[type, Callable[[Any], Any]] = {FiltersSpec: compile_filters, SkillsSpec: compile_skills}
"""Values of parameters that nothing else of the document has a part in."""
ReadSecret = Callable[[SecretRef, str], str]
"""The value of a referenced Secret; the second argument is the path of the field that refers to it."""


@dataclass(frozen=True)
class UsedModel:
    """One model object, and who asks it."""

    component: str
    """Id of the agent or team."""
    label: str
    model: Model


@dataclass(frozen=True)
class Components:
    """Everything that can be asked for a run, and all models and servers behind it."""

    agents: list[Agent] = field(default_factory=list)
    teams: list[Team] = field(default_factory=list)
    workflows: list[Workflow] = field(default_factory=list)
    models: list[UsedModel] = field(default_factory=list)
    servers: list[McpServer] = field(default_factory=list)
    """Every MCP server that is declared, in the order of the document."""
    knowledge: list[Knowledge] = field(default_factory=list)


@dataclass(frozen=True)
class Surroundings:
    """Where the parts of a deployment are made."""

    config_maps: Path = Path()
    """The directory of ConfigMaps, each a directory of its keys."""
    laptop: bool = False


def surroundings_of(settings: Settings) -> Surroundings:
    """Those of this process."""
    return Surroundings(settings.config_maps, settings.laptop)


def compile_components(
    spec: Spec,
    read_secret: ReadSecret,
    database: AsyncBaseDb,
    knowledge: Mapping[str, Knowledge] | None = None,
    surroundings: Surroundings = Surroundings(),
) -> Components:
    """All of a deployment, on one database; `knowledge` by its id."""
    compiler = _Compiler(spec, read_secret, database, knowledge or {}, surroundings)
    agents = [compiler.agent(agent) for agent in spec.agents]
    teams = [compiler.team(team) for team in spec.teams]
    workflows = [compiler.workflow(workflow) for workflow in spec.workflows]
    forget_catalogue()
    return Components(
        agents, teams, workflows, compiler.models, list(compiler.servers.values()), [*compiler.knowledge.values()]
    )


class _Compiler:
    """One document; collects models and servers on the way. All places of an agent share its servers' connections."""

    def __init__(
        self,
        spec: Spec,
        read_secret: ReadSecret,
        database: AsyncBaseDb,
        knowledge: Mapping[str, Knowledge],
        surroundings: Surroundings,
    ) -> None:
        self._agents: Mapping[str, AgentSpec] = {agent.id: agent for agent in spec.agents}
        self._teams: Mapping[str, TeamSpec] = {team.id: team for team in spec.teams}
        self._workflows: Mapping[str, WorkflowSpec] = {workflow.id: workflow for workflow in spec.workflows}
        self._read_secret = read_secret
        self._database = database
        self._forms: dict[str, type[BaseModel]] = {}
        self.models: list[UsedModel] = []
        self.servers: dict[str, McpServer] = {}
        self.knowledge = knowledge
        self._apis: dict[str, Toolkit] = {}
        self._makers: dict[str, Callable[[], Toolkit]] = {}
        self._hooks: dict[str, dict[str, list[Hook]]] = {}
        self._surroundings = surroundings

    def agent(self, spec: AgentSpec, workflow: str | None = None) -> Agent:
        if workflow is None:
            return Agent(**self._common(spec))
        part = AgentInWorkflow(**self._common(spec))
        part.workflow_id = workflow
        return part

    def team(self, spec: TeamSpec, workflow: str | None = None) -> Team:
        given = self._common(spec)
        mode = given.pop("mode", None)
        given |= {"members": [self._member(member, workflow) for member in spec.members]}
        given |= {"mode": TeamMode(mode)} if mode else {}
        if workflow is None:
            return Team(**given)
        part = TeamInWorkflow(**given)
        part.workflow_id = workflow
        return part

    def workflow(self, spec: WorkflowSpec) -> Workflow:
        return ServedWorkflow(
            id=spec.id,
            name=spec.name or spec.id,
            steps=compile_steps(spec.steps, partial(self._executor, spec.id)),
            db=self._database,
            telemetry=False,
            **self._parameters(spec.id, spec.parameters),
        )

    def _member(self, id_: str, workflow: str | None) -> Agent | Team:
        if id_ in self._agents:
            return self.agent(self._agents[id_], workflow)
        return self.team(self._teams[id_], workflow)

    def _executor(self, workflow: str, step: StepSpec) -> Executor:
        if step.workflow is not None:
            return self.workflow(self._workflows[step.workflow])
        return self._member(str(step.agent or step.team), workflow)

    def _common(self, spec: AgentSpec | TeamSpec) -> dict[str, Any]:
        """What agents and teams are constructed with; of what the spec leaves out, agno's default holds."""
        tools = [self._tool(tool) for tool in spec.tools]
        hooks = self._hooks_of(spec)
        keep_out_of_the_loop(tools, hooks.get("tool_hooks", ()))
        return {
            "id": spec.id,
            "name": spec.name or spec.id,
            "model": self._model(spec.id, spec.model),
            "db": self._database,
            "telemetry": False,
            **({"tools": tools} if tools else {}),
            **{name: [*found] for name, found in hooks.items()},
            **({"knowledge": self.knowledge[spec.knowledge]} if spec.knowledge else {}),
            **self._parameters(spec.id, spec.parameters),
        }

    def _hooks_of(self, spec: AgentSpec | TeamSpec) -> dict[str, list[Hook]]:
        """Looked for once; agno writes into lists of them, and into none of them."""
        if spec.id not in self._hooks:
            self._hooks[spec.id] = compile_hooks(spec)
        return self._hooks[spec.id]

    def _tool(self, spec: ToolSpec) -> Toolkit:
        if isinstance(spec, OpenApiSpec):
            return self._api(spec)
        if not isinstance(spec, McpServerSpec):
            return self._toolkit(spec)
        if spec.path not in self.servers:
            from agentos_runtime.agents.mcp import compile_server  # noqa: PLC0415 - half a start, and few need it

            self.servers[spec.path] = compile_server(spec, self._read_secret)
        return self.servers[spec.path]

    def _toolkit(self, spec: ToolkitSpec) -> Toolkit:
        """One for each place of an agent: agno writes into it whose it is."""
        if spec.path not in self._makers:
            self._makers[spec.path] = toolkit_maker(spec)
        return self._makers[spec.path]()

    def _api(self, spec: OpenApiSpec) -> Toolkit:
        """One for all places of an agent: its document is read once."""
        if spec.path not in self._apis:
            from agentos_runtime.agents.openapi import compile_api  # noqa: PLC0415 - few need it

            places = self._surroundings
            self._apis[spec.path] = compile_api(spec, self._read_secret, places.config_maps, laptop=places.laptop)
        return self._apis[spec.path]

    def _parameters(self, component: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._value(component, name, value) for name, value in parameters.items()}

    def _value(self, component: str, name: str, value: Any) -> Any:
        if isinstance(value, ModelSpec):
            return self._model(component, value)
        if compile_it := _PLAIN.get(type(value)):
            return compile_it(value)
        if isinstance(value, BlockSpec):
            return compile_block(value, self._parameters(component, value.parameters))
        if isinstance(value, JsonSchema):
            return self._form(value, f"{component}_{name}")
        if isinstance(value, list):
            return [self._value(component, name, item) for item in value]
        return value

    def _form(self, form: JsonSchema, name: str) -> type[BaseModel]:
        """One class for all places of an agent: AgentOS tells them apart by their names."""
        if form.path not in self._forms:
            self._forms[form.path] = compile_form(form, name)
        return self._forms[form.path]

    def _model(self, component: str, spec: ModelSpec) -> Model:
        key = spec.api_key
        model = compile_model(spec, self._read_secret(key, f"{spec.path}.apiKeySecretRef") if key else None)
        self.models.append(UsedModel(component, spec.label, model))
        return model
