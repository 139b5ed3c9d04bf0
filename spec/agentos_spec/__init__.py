"""The AgentDeployment document, which the operator checks and the runtime serves: parsed once into frozen dataclasses.

All that the programs have in common. Nothing here imports agno, kubernetes or SQLAlchemy, so that a document can be
checked where none of them is.
"""

from agentos_spec.arguments import BlockSpec, FiltersSpec, JsonSchema, ModelSpec, SecretRef, SkillSpec, SkillsSpec
from agentos_spec.check import find_problems
from agentos_spec.errors import SpecError, SpecReason
from agentos_spec.model import (
    AgentSpec,
    BasicAuth,
    EmbedderSpec,
    GuardrailSpec,
    HookSpec,
    KnowledgeSpec,
    Limits,
    McpServerSpec,
    OpenApiSpec,
    ReviewSpec,
    ScheduleSpec,
    SourceSpec,
    Spec,
    StepSpec,
    TeamSpec,
    ToolkitSpec,
    ToolSpec,
    WorkflowSpec,
)
from agentos_spec.parse import load_spec, parse_spec
from agentos_spec.waiting import guarded_parts, reviewed_by_approvers

__all__ = [
    "AgentSpec",
    "BasicAuth",
    "BlockSpec",
    "EmbedderSpec",
    "FiltersSpec",
    "GuardrailSpec",
    "HookSpec",
    "JsonSchema",
    "KnowledgeSpec",
    "Limits",
    "McpServerSpec",
    "ModelSpec",
    "OpenApiSpec",
    "ReviewSpec",
    "ScheduleSpec",
    "SecretRef",
    "SkillSpec",
    "SkillsSpec",
    "SourceSpec",
    "Spec",
    "SpecError",
    "SpecReason",
    "StepSpec",
    "TeamSpec",
    "ToolSpec",
    "ToolkitSpec",
    "WorkflowSpec",
    "find_problems",
    "guarded_parts",
    "load_spec",
    "parse_spec",
    "reviewed_by_approvers",
]
