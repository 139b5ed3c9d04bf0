"""What each child looked like after our last apply, so that a steady state writes nothing and drift is seen.

Filled by ``reconcile.children`` after an apply; compared by the watch handlers with every event. In memory only:
after a restart everything is applied once more, which changes nothing in a cluster that nobody touched.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from agentos_operator.echoes import Echoes
from agentos_operator.resources.common import Object

# Written by controllers into objects of ours as part of their own work.
_CONTROLLER_ANNOTATIONS = ("deployment.kubernetes.io/",)
_TELL_THEIR_STATUS = frozenset({"Deployment", "HTTPRoute", "Ingress", "HorizontalPodAutoscaler"})
"""Kinds whose status is part of a resource of ours."""
UNOWNED_FIELDS = ("apiVersion", "kind", "metadata", "status")
"""Parts of an object that are not ours to decide as a whole."""


@dataclass(frozen=True, order=True, slots=True)
class ChildRef:
    """Identity of a child by kind and name."""

    kind: str
    namespace: str | None
    name: str


@dataclass(frozen=True, slots=True)
class _Entry:
    desired: bytes
    live: bytes
    version: int
    uid: str
    owner: tuple[str, str]


class Ledger:
    """Remembers applied children by reference."""

    def __init__(self) -> None:
        self._entries: dict[ChildRef, _Entry] = {}
        self._seen_meanwhile: dict[ChildRef, tuple[int, bytes]] = {}
        self._unread: dict[ChildRef, bytes] = {}
        self._lost: set[ChildRef] = set()
        self.echoes = Echoes()
        self.harmless: set[str] = set()
        """What the API server was seen to add to objects of ours by itself (``strangers.additions``)."""

    def is_current(self, desired: Object) -> bool:
        """Whether exactly ``desired`` was applied and nobody is known to have changed it since."""
        entry = self._entries.get(reference_of(desired))
        return entry is not None and entry.desired == _digest(desired)

    def uid(self, kind: str, namespace: str | None, name: str) -> str:
        """UID of a child that was applied."""
        return self._entries[ChildRef(kind, namespace, name)].uid

    def begin(self, desired: Object) -> None:
        """Note that ``desired`` is about to be applied: what is observed from now on may be newer than the answer."""
        self._seen_meanwhile[reference_of(desired)] = 0, b""

    def record(self, desired: Object, applied: Object) -> None:
        """Note that ``desired`` was applied and that the API server stored it as ``applied``."""
        reference, state = reference_of(desired), _owned_state(applied)
        version, seen = self._seen_meanwhile.pop(reference, (0, state))
        if version > _version(applied) and seen != state:
            self._lose(reference)  # changed again since: the key was marked, and is to be applied again
            return
        self._lost.discard(reference)
        self._unread.pop(reference, None)
        self._entries[reference] = _Entry(
            _digest(desired), state, _version(applied), applied["metadata"]["uid"], _owner(desired)
        )

    def observe(self, live: Object, *, deleted: bool) -> bool:
        """Compare an event about a child with what was applied; a difference makes the next apply happen.

        Returns whether it says anything that the last apply of it did not.
        """
        reference = reference_of(live)
        if reference in self._seen_meanwhile and _version(live) > self._seen_meanwhile[reference][0]:
            self._seen_meanwhile[reference] = _version(live), b"" if deleted else _owned_state(live)
        entry = self._entries.get(reference)
        if entry is None:
            return True
        if _version(live) <= entry.version:
            return False
        if deleted or _owned_state(live) != entry.live:
            self._lose(reference)
            return True
        return reference.kind in _TELL_THEIR_STATUS or "deletionTimestamp" in live["metadata"]

    def first_seen(self, reference: ChildRef) -> Object | None:
        """The child as the watch has told of it before anything was applied; handed out once.

        An operator that begins anew need not read again what its watches have listed. What changes after that shows as
        a difference from what is recorded then.
        """
        body = self._unread.pop(reference, None)
        return None if body is None else orjson.loads(zlib.decompress(body))

    def keep(self, live: Object, *, deleted: bool) -> None:
        """Keep what a watch told for ``first_seen``; what was applied and is not as it was is read anew instead."""
        reference = reference_of(live)
        if deleted:
            self._unread.pop(reference, None)
        elif reference not in self._entries and reference not in self._lost:
            self._unread[reference] = zlib.compress(orjson.dumps(live), 1)

    def miss(self, kind: str, namespace: str | None, name: str) -> tuple[str, str] | None:
        """Note that there is no such object, which makes the next apply happen.

        Returns kind and name of the resource that owns it; None when it was not known, or noted before.
        """
        entry = self._lose(ChildRef(kind, namespace, name))
        return entry.owner if entry else None

    def _lose(self, reference: ChildRef) -> _Entry | None:
        self._unread.pop(reference, None)
        entry = self._entries.pop(reference, None)
        if entry is not None:
            self._lost.add(reference)
        return entry

    def references(self, kind: str) -> set[ChildRef]:
        """All children of one kind that were applied and are thought to be there."""
        return {reference for reference in self._entries if reference.kind == kind}

    def forget(self, namespace: str) -> None:
        """Drop all that is remembered about a Namespace, because its objects are to be checked again."""
        for remembered in (self._entries, self._seen_meanwhile, self._unread):
            for reference in [ref for ref in remembered if namespace in (ref.namespace, ref.name)]:
                del remembered[reference]
        self._lost = {reference for reference in self._lost if namespace not in (reference.namespace, reference.name)}


def reference_of(body: Object) -> ChildRef:
    """Identity of ``body``."""
    metadata = body["metadata"]
    return ChildRef(body["kind"], metadata.get("namespace"), metadata["name"])


def _owner(desired: Object) -> tuple[str, str]:
    reference = desired["metadata"]["ownerReferences"][0]
    return reference["kind"], reference["name"]


def _version(body: Object) -> int:
    # The API server stores revisions of etcd: a greater number is a later state of the same kind (KEP-5504).
    return int(body["metadata"].get("resourceVersion", 0))


def _owned_state(body: Object) -> bytes:
    metadata = body["metadata"]
    annotations = {
        key: value
        for key, value in metadata.get("annotations", {}).items()
        if not key.startswith(_CONTROLLER_ANNOTATIONS)
    }
    state = {key: value for key, value in body.items() if key not in UNOWNED_FIELDS}
    return _digest(
        {
            "labels": metadata.get("labels", {}),
            "annotations": annotations,
            "owners": metadata.get("ownerReferences", []),
            "state": state,
        }
    )


def _digest(value: Mapping[str, Any]) -> bytes:
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=16).digest()
