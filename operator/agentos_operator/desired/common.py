"""The one shape that all builders share."""

from __future__ import annotations

from agentos_operator.resources.common import Object, Owner


def child(
    api_version: str, kind: str, name: str, namespace: str | None, labels: dict[str, str], owner: Owner
) -> Object:
    """The head of a child object: identity, labels, and its owner as the controller."""
    metadata: Object = {"name": name, "labels": labels, "ownerReferences": [owner.reference()]}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
