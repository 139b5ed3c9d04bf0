"""Whom an object concerns, by what it says of itself; a claim, which whoever acts on it proves by UIDs."""

from __future__ import annotations

from collections.abc import Iterator

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, WORKSPACE
from agentos_operator.naming import API_VERSION, DEPLOYMENT_LABEL, WORKSPACE_LABEL, namespace_of, workspace_of
from agentos_operator.resources.common import Object
from agentos_operator.sightings import Sightings
from agentos_operator.workqueue import Key

_RESOURCES = frozenset({WORKSPACE.kind, AGENT_DEPLOYMENT.kind})


def key_of(resource: Object) -> Key:
    """The key of a Workspace or an AgentDeployment."""
    metadata = resource["metadata"]
    return Key(resource["kind"], metadata.get("namespace"), metadata["name"])


def keys_of(child: Object) -> set[Key]:
    """Who is to be looked at when ``child`` changes.

    By both claims, because what lies in another Namespace has the Workspace for its owner and the deployment as its
    cause, and because either can be taken away, which is drift too.
    """
    return {key for key in (_by_owner(child), _by_labels(child)) if key is not None}


def workspaces_of(body: Object) -> set[str]:
    """Names of the workspaces that a child or a resource belongs to; empty text for none."""
    keys = {key_of(body)} if body["kind"] in _RESOURCES else keys_of(body)
    return {key.name if key.kind == WORKSPACE.kind else workspace_of(key.namespace or "") or "" for key in keys}


def resources_of(sightings: Sightings) -> Iterator[tuple[str, list[Key]]]:
    """Every workspace that was told of, with the keys of what is reconciled of it."""
    for workspace, found in sightings.of_kinds(_RESOURCES):
        yield workspace, [Key(each.kind, each.namespace, each.name) for each in found]


def _by_owner(child: Object) -> Key | None:
    """Whom the controller reference names."""
    metadata = child["metadata"]
    for reference in metadata.get("ownerReferences", ()):
        kind = reference.get("kind")
        if reference.get("controller") and reference.get("apiVersion") == API_VERSION and kind in _RESOURCES:
            return Key(kind, metadata.get("namespace") if kind == AGENT_DEPLOYMENT.kind else None, reference["name"])
    return None


def _by_labels(child: Object) -> Key | None:
    """Whom the labels name."""
    labels = child["metadata"].get("labels", {})
    workspace, deployment = labels.get(WORKSPACE_LABEL), labels.get(DEPLOYMENT_LABEL)
    if workspace and deployment:
        return Key(AGENT_DEPLOYMENT.kind, namespace_of(workspace), deployment)
    return Key(WORKSPACE.kind, None, workspace) if workspace else None
