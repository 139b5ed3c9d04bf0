"""Whether a runtime could serve a spec, found out before it replaces one that is served."""

from __future__ import annotations

from agentos_operator.conditions import Aspect, failed, held
from agentos_operator.resources.common import Object
from agentos_spec import find_problems

SPEC_VALID = "SpecValid"
LONGEST_MESSAGE = 4000


def spec_aspect(body: Object) -> Aspect:
    """The first problem in the words of `agentosctl validate`, and how many follow."""
    problems = find_problems(body)
    if not problems:
        return held(SPEC_VALID, "Nothing is wrong with the spec.")
    first, others = problems[0], len(problems) - 1
    message = first.message[:LONGEST_MESSAGE]
    if others:
        message += f" (and {others} more; agentosctl validate lists them)"
    return failed(SPEC_VALID, first.reason, message, stalled=True)
