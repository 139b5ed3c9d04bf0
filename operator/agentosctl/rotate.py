"""`agentosctl rotate`: ask for new credentials of a workspace, and wait until they are the only ones.

Asking is an annotation on the Workspace with a value that the operator has not seen; it does the rest, also without
anybody waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from agentosctl.cluster import WORKSPACE, Cluster, Resource
from agentosctl.errors import CliError

POLL_SECONDS = 2.0
ANNOTATIONS = {
    "database": "agentos.hyvve.io/rotate-database",
    "auth": "agentos.hyvve.io/rotate-jwt",
}
"""By the field of status that tells of the rotation."""
TITLES = {"database": "database login", "auth": "signing secret"}


@dataclass(frozen=True)
class Asked:
    """A rotation that was asked for."""

    workspace: str
    value: str
    """Of the annotations; the operator tells it in status when it has begun."""
    fields: tuple[str, ...]
    """Which credentials, by their field of status."""


def ask(cluster: Cluster, asked: Asked) -> str:
    """Annotate the Workspace; a sentence that says what happens now."""
    cluster.annotate(WORKSPACE, asked.workspace, annotations_of(asked))
    titles = " and ".join(TITLES[field] for field in asked.fields)
    return f"asked for a new {titles} of workspace {asked.workspace}\n"


def annotations_of(asked: Asked) -> Mapping[str, str]:
    """What the operator looks at."""
    return {ANNOTATIONS[field]: asked.value for field in asked.fields}


def wait(cluster: Cluster, asked: Asked, tell: Callable[[str], object], pause: Callable[[float], object]) -> str:
    """Tell each change of what the rotation waits for, until it has ended."""
    told = ""
    while True:
        workspace = cluster.get(WORKSPACE, asked.workspace)
        if "deletionTimestamp" in workspace["metadata"]:
            raise CliError(f"the workspace {asked.workspace} is being deleted")
        if not list(pending(workspace, asked)):
            return f"workspace {asked.workspace} has new credentials, and nothing uses the earlier ones\n"
        if (text := waits_for(workspace)) != told:
            told = text
            tell(text)
        pause(POLL_SECONDS)


def pending(workspace: Resource, asked: Asked) -> Iterator[str]:
    """Which of the credentials are still to be rotated, or on their way."""
    for field in asked.fields:
        rotation = workspace.get("status", {}).get(field, {}).get("rotation", {})
        if asked.value not in rotation.get("handledRequests", ()) or "step" in rotation:
            yield field


def waits_for(workspace: Resource) -> str:
    """What the operator says about it."""
    conditions = workspace.get("status", {}).get("conditions", [])
    found = {condition["type"]: condition for condition in conditions}
    if "Rotating" in found:
        return str(found["Rotating"]["message"])
    ready = found.get("Ready", {})
    if ready.get("status") == "True":
        return "The operator has not begun yet."
    return f"The workspace is not ready: {ready.get('message', 'the operator has not seen it yet; is it running?')}"
