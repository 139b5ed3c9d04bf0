"""The one place where owned objects are written: never a stranger's, never without a difference."""

from __future__ import annotations

from collections.abc import Iterable

from agentos_operator.clients.kinds import KINDS
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.errors import Conflict, NotOwned
from agentos_operator.ledger import Ledger
from agentos_operator.resources.common import Object, is_controlled_by


class Children:
    """Writes the children of one resource, which is known by its UID."""

    def __init__(self, kubernetes: Kubernetes, ledger: Ledger, owner_uid: str) -> None:
        self._kubernetes = kubernetes
        self._ledger = ledger
        self._owner_uid = owner_uid

    async def apply(self, desired: Object) -> bool:
        """Make ``desired`` so; return whether anything was sent.

        Raises:
            NotOwned: an object of that name exists and another owner, or none, controls it.
            ApiError: the API server refused or did not answer.
        """
        if self._ledger.is_current(desired):
            return False
        await self._check_owner(desired)
        self._ledger.record(desired, await self._kubernetes.apply(desired))
        return True

    async def apply_all(self, desired: Iterable[Object]) -> None:
        """Apply one after the other: workers run side by side, so one resource need not."""
        for each in desired:
            await self.apply(each)

    async def create(self, desired: Object) -> bool:
        """Like ``apply`` for an object that we may create but not yet read; return whether it was created."""
        if self._ledger.is_current(desired):
            return False
        try:
            self._ledger.record(desired, await self._kubernetes.create(desired))
        except Conflict:
            await self.apply(desired)
            return False
        return True

    async def _check_owner(self, desired: Object) -> None:
        metadata = desired["metadata"]
        live = await self._kubernetes.find(KINDS[desired["kind"]], metadata["name"], metadata.get("namespace"))
        if live is not None and not is_controlled_by(live, self._owner_uid):
            raise NotOwned(
                f"{desired['kind']} {metadata['name']} exists and is not controlled by this resource; "
                "rename or delete it"
            )
