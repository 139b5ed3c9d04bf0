"""The AgentDeployment document as the runtime reads it: parsed once, into frozen dataclasses."""

from agentos_runtime.spec.model import AgentSpec, Limits, ModelSpec, SecretRef, Spec, ToolkitSpec
from agentos_runtime.spec.parse import load_spec, parse_spec

__all__ = ["AgentSpec", "Limits", "ModelSpec", "SecretRef", "Spec", "ToolkitSpec", "load_spec", "parse_spec"]
