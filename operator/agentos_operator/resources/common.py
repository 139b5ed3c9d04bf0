"""What both resources share: the object's identity and how a child points at its owner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agentos_operator.naming import API_VERSION

Object = dict[str, Any]
"""A Kubernetes object as plain JSON data."""


@dataclass(frozen=True)
class Meta:
    """Identity and life-cycle marks of a custom resource."""

    name: str
    uid: str
    generation: int
    deleting: bool
    finalizers: tuple[str, ...]


def parse_meta(metadata: Mapping[str, Any]) -> Meta:
    """Read ``metadata`` as the API server sends it."""
    return Meta(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers", ())),
    )


@dataclass(frozen=True, order=True)
class SecretKey:
    """A key of a Secret in the resource's own Namespace, or in a Workspace's."""

    name: str
    key: str


@dataclass(frozen=True)
class Owner:
    """The resource that a child belongs to; ownership is decided by ``uid`` alone."""

    kind: str
    name: str
    uid: str

    def reference(self) -> Object:
        """The child's controller reference, which garbage collection follows."""
        return {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def is_controlled_by(child: Mapping[str, Any], uid: str) -> bool:
    """Whether ``child`` names the resource with ``uid`` as its controller."""
    references = child["metadata"].get("ownerReferences", ())
    return any(reference.get("controller") and reference["uid"] == uid for reference in references)


_SUFFIXES = {
    "m": Decimal("0.001"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGT", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGT", 1)},
}


def quantity(text: str) -> Decimal:
    """A Kubernetes quantity as a number, in the forms that our schemas admit (``500m``, ``1.5``, ``8Gi``).

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    number = text.rstrip("mkKMGTi")
    return Decimal(number) * _SUFFIXES.get(text.removeprefix(number), Decimal(1))


def quantities(values: Mapping[str, str | int]) -> dict[str, str]:
    """Kubernetes quantities as text; YAML makes a number of ``cpu: 4``, and both forms are allowed."""
    return {name: str(value) for name, value in values.items()}
