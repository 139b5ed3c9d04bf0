"""The AgentDeployment document as the runtime reads it: parsed once, into frozen dataclasses."""

from agentos_runtime.spec.model import (
    AgentSpec,
    GuardrailSpec,
    JsonSchema,
    Limits,
    McpServerSpec,
    ModelSpec,
    SecretRef,
    Spec,
    StepSpec,
    TeamSpec,
    ToolkitSpec,
    ToolSpec,
    WorkflowSpec,
)
from agentos_runtime.spec.parse import load_spec, parse_spec

__all__ = [
    "AgentSpec",
    "GuardrailSpec",
    "JsonSchema",
    "Limits",
    "McpServerSpec",
    "ModelSpec",
    "SecretRef",
    "Spec",
    "StepSpec",
    "TeamSpec",
    "ToolSpec",
    "ToolkitSpec",
    "WorkflowSpec",
    "load_spec",
    "parse_spec",
]
