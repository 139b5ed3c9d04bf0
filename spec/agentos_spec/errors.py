"""What is wrong with a document, in words for the person who wrote it.

    SpecError            reason + one sentence that begins with the path of the field and says what to change

The operator tells both in a condition, the runtime in its last words, `agentosctl validate` on a line.
"""

from __future__ import annotations

from collections.abc import Iterable


class SpecReason:
    """Reasons of a SpecError: users and tools may rely on them."""

    INVALID_SPEC = "InvalidSpec"
    """The spec is not an AgentDeployment this version understands."""
    UNKNOWN_MODEL_PROVIDER = "UnknownModelProvider"
    """The part before the colon of a model id is no provider of agno."""
    UNKNOWN_TOOLKIT = "UnknownToolkit"
    """agno has no toolkit of that name."""
    UNKNOWN_HOOK = "UnknownHook"
    """The image has no such hook, or one that cannot be called."""
    INVALID_TOOL_OPTIONS = "InvalidToolOptions"
    """The toolkit refuses its options, or has no function of a name under requiresConfirmation."""


class SpecError(Exception):
    """A document cannot be used until somebody changes it: where, and to what, is the message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest known word, else nothing."""
    import difflib  # noqa: PLC0415 - only on the way to an error

    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
