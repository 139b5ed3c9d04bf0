"""The guardrails that a document may name."""

from __future__ import annotations

GUARDRAILS = {
    "openai_moderation": "OpenAIModerationGuardrail",
    "pii_detection": "PIIDetectionGuardrail",
    "prompt_injection": "PromptInjectionGuardrail",
}
"""By the word of the document, the class of agno.guardrails."""
