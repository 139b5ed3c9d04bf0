"""The shapes that builders share."""

from __future__ import annotations

from agentos_operator.naming import FIELD_MANAGER, MANAGED_BY_LABEL
from agentos_operator.resources.common import Object, Owner


def child(
    api_version: str, kind: str, name: str, namespace: str | None, labels: dict[str, str], owner: Owner
) -> Object:
    """The head of a child object: identity, labels, and its owner as the controller."""
    metadata: Object = {"name": name, "labels": labels, "ownerReferences": [owner.reference()]}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def operators_config_map(name: str, namespace: str, **content: dict[str, str]) -> Object:
    """A ConfigMap beside the operator, for its own notes; ``content`` is ``data`` or ``binaryData``."""
    metadata = {"name": name, "namespace": namespace, "labels": {MANAGED_BY_LABEL: FIELD_MANAGER}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **content}
