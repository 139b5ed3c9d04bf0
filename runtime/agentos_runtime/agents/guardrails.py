"""Guardrails: `guardrail: pii_detection` is agno's PIIDetectionGuardrail."""

from __future__ import annotations

import importlib

from agno.exceptions import InputCheckError
from agno.guardrails import BaseGuardrail
from agno.run.agent import RunInput
from agno.run.team import TeamRunInput

from agentos_runtime.agents.own import own_catalogue, refuse_first
from agentos_runtime.errors import REFUSED_BY_GUARDRAIL, Reason, StartupError
from agentos_spec import GuardrailSpec
from agentos_spec.guardrails import GUARDRAILS
from agentos_spec.known import guardrail_problems


def compile_guardrail(spec: GuardrailSpec) -> BaseGuardrail:
    """The guardrail of a spec; a SpecError or StartupError where agno refuses its options."""
    if catalogue := own_catalogue():
        refuse_first(guardrail_problems(spec, catalogue))
    cls = getattr(importlib.import_module("agno.guardrails"), GUARDRAILS[spec.name])
    try:
        guardrail: BaseGuardrail = cls(**spec.options)
    except Exception as error:  # a constructor may refuse its options in any way it likes
        why = " ".join(str(error).split())[:300]
        message = f"{spec.path}.options: guardrail {spec.name!r} refuses them: {why}; change or leave them out"
        raise StartupError(Reason.INVALID_SPEC, message) from error
    return _Named(spec.name, guardrail)


class _Named(BaseGuardrail):
    """A guardrail that says which one it is when it refuses, so that its caller learns whose fault it was."""

    def __init__(self, name: str, guardrail: BaseGuardrail) -> None:
        self.name = name
        self._guardrail = guardrail

    def check(self, run_input: RunInput | TeamRunInput) -> None:
        try:
            self._guardrail.check(run_input)
        except InputCheckError as error:
            raise self._refusal(error) from error

    async def async_check(self, run_input: RunInput | TeamRunInput) -> None:
        try:
            await self._guardrail.async_check(run_input)
        except InputCheckError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: InputCheckError) -> InputCheckError:
        return InputCheckError(f"{REFUSED_BY_GUARDRAIL}{self.name}: {error.message}", error.check_trigger)
