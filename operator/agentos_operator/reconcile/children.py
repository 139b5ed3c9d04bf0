"""The one place where owned objects are written: never a stranger's, never without a difference."""

from __future__ import annotations

from collections.abc import Iterable

from agentos_operator.clients.kinds import KINDS, Kind
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.errors import Invalid, NotFound, NotOwned
from agentos_operator.ledger import ChildRef, Ledger, reference_of
from agentos_operator.reconcile.strangers import additions, is_contained, must_be_remade, owned_part, replacement
from agentos_operator.resources.common import Object, is_controlled_by


class Children:
    """Writes the children of one resource, which is known by its UID."""

    def __init__(self, kubernetes: Kubernetes, ledger: Ledger, owner_uid: str) -> None:
        self._kubernetes = kubernetes
        self._ledger = ledger
        self._owner_uid = owner_uid
        self.changed: set[str] = set()
        """Kinds of which an object was created or changed."""
        self._seen: dict[ChildRef, Object | None] = {}

    async def apply(self, desired: Object) -> bool:
        """Make ``desired`` so; return whether that changed anything.

        Raises:
            NotOwned: an object of that name exists and another owner, or none, controls it.
            ApiError: the API server refused or did not answer.
        """
        if self._ledger.is_current(desired):
            return False
        self._ledger.begin(desired)
        with self._ledger.echoes.writing(desired):
            live = await self._find_own(desired)
            applied = await (self._kubernetes.apply(desired) if live is None else self._change(desired, live))
            self._ledger.record(desired, applied)
        self._seen[reference_of(desired)] = applied
        changed = live is None or live["metadata"]["resourceVersion"] != applied["metadata"]["resourceVersion"]
        if changed:
            self.changed.add(desired["kind"])
        return changed

    async def apply_all(self, desired: Iterable[Object]) -> None:
        """Apply one after the other: workers run side by side, so one resource need not."""
        for each in desired:
            await self.apply(each)

    async def remove(self, kind: Kind, name: str, namespace: str) -> None:
        """Make sure that no object of ours has that name; a stranger's stays."""
        live = await self.look(kind, name, namespace)
        if live is not None:
            await self._kubernetes.delete(kind, name, namespace, live["metadata"]["uid"])
            self._seen.pop(ChildRef(kind.kind, namespace, name), None)
            self._ledger.miss(kind.kind, namespace, name)

    async def look(self, kind: Kind, name: str, namespace: str) -> Object | None:
        """The object as it is, if it is ours. Of a kind that is not watched, this is how a change is noticed."""
        live = await self._kubernetes.find(kind, name, namespace)
        self._seen[ChildRef(kind.kind, namespace, name)] = live
        return self.take_note(kind, name, namespace, live)

    def take_note(self, kind: Kind, name: str, namespace: str, live: Object | None) -> Object | None:
        """``live`` is what has just been found under that name; it, if it is ours."""
        if live is None:
            self._ledger.miss(kind.kind, namespace, name)
            return None
        self._ledger.observe(live, deleted=False)
        return live if is_controlled_by(live, self._owner_uid) else None

    async def state(self, desired: Object) -> Object:
        """The object that was made as ``desired``, with its status: read once in an attempt, or taken from the answer
        to its apply. What happens to it after that comes as an event."""
        reference, kind = reference_of(desired), KINDS[desired["kind"]]
        live = self._seen.get(reference)
        if live is None:
            live = self._seen[reference] = await self._kubernetes.get(kind, reference.name, reference.namespace)
        return live

    async def known_state(self, desired: Object) -> Object | None:
        """``state``, or None where there is no such object."""
        try:
            return await self.state(desired)
        except NotFound:
            return None

    async def _change(self, desired: Object, live: Object) -> Object:
        """Make an object that is there exactly ``desired``; nothing is written where nothing differs."""
        if is_contained(desired, live) and additions(desired, live) in self._ledger.harmless:
            return live
        if must_be_remade(desired, live):
            metadata = live["metadata"]
            kind = KINDS[desired["kind"]]
            await self._kubernetes.delete(kind, metadata["name"], metadata.get("namespace"), metadata["uid"])
            return await self._kubernetes.apply(desired)
        try:
            applied = await self._kubernetes.apply(desired)
        except Invalid:
            # What a stranger has put in can contradict ours, such as a value beside our reference.
            await self._kubernetes.amend(desired, replacement(desired, live))
            return await self._kubernetes.apply(desired)
        return await self._without_strangers(desired, applied)

    async def _without_strangers(self, desired: Object, applied: Object) -> Object:
        """The object without what others have put into our part of it; asks once for each kind of addition."""
        extra = additions(desired, applied)
        if extra in self._ledger.harmless:
            return applied
        replaced = await self._kubernetes.amend(desired, replacement(desired, applied))
        if owned_part(replaced) == owned_part(applied):
            self._ledger.harmless.add(extra)
        return replaced

    async def _find_own(self, desired: Object) -> Object | None:
        reference, metadata = reference_of(desired), desired["metadata"]
        live = self._seen[reference] if reference in self._seen else self._ledger.first_seen(reference)
        if live is None and reference not in self._seen:
            live = await self._kubernetes.find(KINDS[desired["kind"]], metadata["name"], metadata.get("namespace"))
        if live is not None and not is_controlled_by(live, self._owner_uid):
            raise NotOwned(
                f"{desired['kind']} {metadata['name']} exists and is not controlled by this resource; "
                "rename or delete it"
            )
        return live
