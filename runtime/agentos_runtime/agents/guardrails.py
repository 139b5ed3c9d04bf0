"""Guardrails: `guardrail: pii_detection` is agno's PIIDetectionGuardrail."""

from __future__ import annotations

import importlib

from agentos_runtime.agents.guards import Hook, guarded
from agentos_runtime.agents.own import own_catalogue, refuse_first
from agentos_runtime.errors import Reason, StartupError
from agentos_spec import GuardrailSpec
from agentos_spec.guardrails import GUARDRAILS
from agentos_spec.known import guardrail_problems


def compile_guardrail(spec: GuardrailSpec) -> Hook:
    """The guardrail of a spec; a SpecError or StartupError where agno refuses its options."""
    if catalogue := own_catalogue():
        refuse_first(guardrail_problems(spec, catalogue))
    cls = getattr(importlib.import_module("agno.guardrails"), GUARDRAILS[spec.name])
    try:
        guardrail = cls(**spec.options)
    except Exception as error:  # a constructor may refuse its options in any way it likes
        why = " ".join(str(error).split())[:300]
        message = f"{spec.path}.options: guardrail {spec.name!r} refuses them: {why}; change or leave them out"
        raise StartupError(Reason.INVALID_SPEC, message) from error
    return guarded(f"guardrail {spec.name}", guardrail.async_check, ("run_input",))
