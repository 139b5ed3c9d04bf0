"""Fields of an agent or a team that say nothing without another one, or against it. Called as one is read.

agno takes such a field and does nothing with it, or has one of two win.
"""

from __future__ import annotations

from collections.abc import Mapping

from agentos_spec.node import Node

_OF_KNOWLEDGE = (
    *("searchKnowledge", "addSearchKnowledgeInstructions", "addKnowledgeToContext", "referencesFormat"),
    *("knowledgeFilters", "enableAgenticKnowledgeFilters", "updateKnowledge"),
)
_NEEDS = {
    **dict.fromkeys(
        _OF_KNOWLEDGE,
        (
            ("knowledge",),
            "says how knowledge is used, and none is named; add knowledge with an id of spec.knowledge",
        ),
    ),
    "memoryManager": (
        ("updateMemoryOnRun", "enableAgenticMemory"),
        "says how memories are made, and none are; set updateMemoryOnRun or enableAgenticMemory to true",
    ),
    "sessionSummaryManager": (
        ("enableSessionSummaries",),
        "says how summaries are made, and none are; set enableSessionSummaries to true",
    ),
    "compressionManager": (
        ("compressToolResults",),
        "says how results of tools are summed up, and none are; set compressToolResults to true",
    ),
    "addLearningsToContext": (
        ("learning",),
        "says how it uses what it learns, and it learns nothing; add learning",
    ),
}
"""By a field, those of which one must be there and not false, and what is told where none is."""
_EXCLUDES = {
    "fallbackModels": (
        "fallbackConfig",
        "stands beside fallbackConfig; put these models under fallbackConfig.onError",
    ),
    "enableAgenticKnowledgeFilters": (
        "knowledgeFilters",
        "stands beside knowledgeFilters, which hold whatever the model says; leave one of the two out",
    ),
}
"""By a field, the one beside which it must not stand, and what is told where it does."""
_LEARNED = ("userProfile", "userMemory", "entityMemory")


def check_together(have: Mapping[str, Node]) -> None:
    """Raise a SpecError for the first field whose counterpart is missing or excludes it; each was read for itself."""
    for field, (others, problem) in _NEEDS.items():
        if field in have and not any(_says(have, other) for other in others):
            have[field].fail(problem)
    for field, (other, problem) in _EXCLUDES.items():
        if _says(have, field) and other in have:
            have[field].fail(problem)
    if "learning" in have and not any(have["learning"].value.get(field) for field in _LEARNED):
        have["learning"].fail(f"names nothing to learn; set one of {', '.join(_LEARNED)} to true")


def _says(have: Mapping[str, Node], field: str) -> bool:
    return field in have and have[field].value is not False
