"""What must hold of answers: `postHooks: [answers.no_card_numbers]` in the AgentDeployment beside the Dockerfile."""

from __future__ import annotations

import re

from agno.exceptions import OutputCheckError
from agno.run.agent import RunOutput

_CARD = re.compile(r"\b(?:\d[ -]?){15}\d\b")


def no_card_numbers(run_output: RunOutput) -> None:
    """Refuse an answer that holds what looks like the number of a card."""
    if _CARD.search(str(run_output.content)):
        raise OutputCheckError("an answer holds no card numbers")
