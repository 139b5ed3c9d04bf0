"""What keeps a runtime from serving, in words for the person who wrote the spec.

    StartupError            reason + one sentence; the process exits 78 and the operator shows both
      reasons are the constants of `Reason`, each with its meaning

Requests fail with problem documents instead (`http/problems.py`): nothing here is ever sent to a caller.
"""

from __future__ import annotations

from collections.abc import Iterable

EXIT_CONFIG = 78
"""sysexits' EX_CONFIG: restarting will not help, the spec or the environment has to change."""

REFUSED_BY_GUARDRAIL = "Refused by the guardrail "
"""How the content of a run begins that a guardrail refused: agno tells it apart from a failed one in no other way."""


class Reason:
    """Reasons of a StartupError; the operator copies them into the AgentDeployment's Ready condition."""

    INVALID_SETTINGS = "InvalidSettings"
    """The environment or a command-line option is missing or malformed."""
    INVALID_SPEC = "InvalidSpec"
    """The spec is not an AgentDeployment this version understands."""
    UNKNOWN_MODEL_PROVIDER = "UnknownModelProvider"
    """The part before the colon of a model id is no provider of agno."""
    MODEL_PACKAGE_MISSING = "ModelPackageMissing"
    """The provider is known, its SDK is not in the image."""
    UNKNOWN_TOOLKIT = "UnknownToolkit"
    """agno has no toolkit of that name."""
    TOOLKIT_PACKAGE_MISSING = "ToolkitPackageMissing"
    """The toolkit is known, a package it imports is not in the image."""
    INVALID_TOOL_OPTIONS = "InvalidToolOptions"
    """The toolkit refuses its options, or has no function of a name under requiresConfirmation."""
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - the name of a reason
    """A referenced Secret or its key is absent or empty."""
    TRACING_PACKAGE_MISSING = "TracingPackageMissing"
    """Traces are to be sent, and a package that this takes is not in the image."""
    MIGRATION_FAILED = "MigrationFailed"
    """The workspace's schema could not be brought to this version's tables."""
    SCHEMA_NEWER = "SchemaNewer"
    """The workspace's schema was brought to a newer version's tables before."""


class StartupError(Exception):
    """The runtime cannot serve until somebody changes something: which, and what to do, is the message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest known word, else nothing."""
    import difflib  # noqa: PLC0415 - only on the way to an error

    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
