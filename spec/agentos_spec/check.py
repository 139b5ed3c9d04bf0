"""What can be told of a document before a pod: the operator asks before it applies one, and `agentosctl validate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentos_spec.catalogue import load_catalogue
from agentos_spec.errors import SpecError
from agentos_spec.known import unknown_names
from agentos_spec.parse import examine

_PARTS = frozenset({"agents", "teams", "workflows", "schedules", "knowledge"})


def find_problems(document: Any) -> list[SpecError]:
    """What is wrong with an AgentDeployment: one problem of form for each agent, team and workflow, all unknown names.

    An image of one's own may hold what agno has not, so names are not looked up for a deployment that has one. Without
    agents it is an application that nothing here knows.
    """
    if _has_own_image(document) and not document["spec"].keys() & _PARTS:
        return []
    spec, problems = examine(document)
    if not _has_own_image(document):
        problems += unknown_names(spec, load_catalogue())
    return problems


def _has_own_image(document: Any) -> bool:
    spec = document.get("spec") if isinstance(document, Mapping) else None
    return isinstance(spec, Mapping) and bool(spec.get("image"))
