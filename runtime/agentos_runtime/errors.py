"""What keeps a runtime from serving, in words for the person who wrote the spec.

    agentos_spec.SpecError  reason + one sentence: what the document alone tells
    StartupError            the same of what only this process can find out
      reasons are the constants of `Reason`, each with its meaning

The process exits 78 with either, and the operator shows both parts of it.

Requests fail with problem documents instead (`http/problems.py`): nothing here is ever sent to a caller.
"""

from __future__ import annotations

from agentos_spec.errors import SpecReason

EXIT_CONFIG = 78
"""sysexits' EX_CONFIG: restarting will not help, the spec or the environment has to change."""

REFUSED_BY = "Refused by the "
FAILED_IN = "The run ended with an error of the "
"""How the content of a run begins that a guardrail or a hook refused, or in which one of them failed: agno tells it
apart from a run whose model failed in no other way."""


class Reason(SpecReason):
    """All reasons of both; the operator copies them into the AgentDeployment's Ready condition."""

    INVALID_SETTINGS = "InvalidSettings"
    """The environment or a command-line option is missing or malformed."""
    MODEL_PACKAGE_MISSING = "ModelPackageMissing"
    """The provider is known, its SDK is not in the image."""
    TOOLKIT_PACKAGE_MISSING = "ToolkitPackageMissing"
    """The toolkit is known, a package it imports is not in the image."""
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - the name of a reason
    """A referenced Secret or its key is absent or empty."""
    TRACING_PACKAGE_MISSING = "TracingPackageMissing"
    """Traces are to be sent, and a package that this takes is not in the image."""
    MIGRATION_FAILED = "MigrationFailed"
    """The workspace's schema could not be brought to this version's tables."""
    SCHEMA_NEWER = "SchemaNewer"
    """The workspace's schema was brought to a newer version's tables before."""
    VECTOR_EXTENSION_MISSING = "VectorExtensionMissing"
    """The spec has knowledge, and the database has no pgvector that this login can use."""


class StartupError(Exception):
    """The runtime cannot serve until somebody changes something: which, and what to do, is the message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
