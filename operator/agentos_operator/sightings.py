"""Which state of each object was told of last, so that hearing of the same state again is no news.

An operator that ends hands over what it knew by these states (``reconcile.handover``): a workspace of which every
object is as it was then needs no look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator

from agentos_operator.ledger import ChildRef, reference_of
from agentos_operator.resources.common import Object


class Sightings:
    """The resource version of everything that is watched, by the workspace that it belongs to."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[ChildRef, str]] = {}

    def note(self, body: Object, workspaces: Collection[str], *, deleted: bool) -> bool:
        """Take an event in; whether it tells of anything that was not known. What belongs to nobody is not remembered.

        A resource version is one state of one object
        (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
        """
        reference, version = reference_of(body), body["metadata"]["resourceVersion"]
        news = deleted or not workspaces
        for workspace in workspaces:
            seen = self._seen.setdefault(workspace, {})
            if deleted:
                seen.pop(reference, None)
            else:
                news |= seen.get(reference) != version
                seen[reference] = version
            if not seen:
                del self._seen[workspace]
        return news

    def lag(self, body: Object, workspaces: Iterable[str]) -> bool:
        """Whether ``body``, as it was listed, is later than what was told of it, or nothing was (KEP-5504)."""
        reference, version = reference_of(body), int(body["metadata"]["resourceVersion"])
        return any(int(self._seen.get(each, {}).get(reference, -1)) < version for each in workspaces)

    def add(self, body: Object, workspaces: Iterable[str]) -> None:
        """Take in what a list has told."""
        for workspace in workspaces:
            self._seen.setdefault(workspace, {})[reference_of(body)] = body["metadata"]["resourceVersion"]

    def merge(self, listed: Sightings) -> None:
        """Take in what was listed. What an event has told of an object stands: it may be newer."""
        for workspace, found in listed._seen.items():
            self._seen[workspace] = found | self._seen.get(workspace, {})

    def lose(self, reference: ChildRef) -> set[str]:
        """There is no such object any more, although no event said so; the workspaces that it belonged to."""
        losers = {workspace for workspace, seen in self._seen.items() if seen.pop(reference, None)}
        for workspace in losers:
            if not self._seen[workspace]:
                del self._seen[workspace]
        return losers

    def of_kinds(self, kinds: Iterable[str]) -> Iterator[tuple[str, list[ChildRef]]]:
        """Every workspace with its objects of these kinds."""
        wanted = frozenset(kinds)
        for workspace, seen in self._seen.items():
            yield workspace, [reference for reference in seen if reference.kind in wanted]

    def references(self, kind: str) -> set[ChildRef]:
        """All objects of one kind that belong to a workspace."""
        return {each for seen in self._seen.values() for each in seen if each.kind == kind}

    def digest(self, workspace: str) -> str:
        """The same for as long as nothing of the workspace has changed, come or gone."""
        seen = self._seen.get(workspace, {})
        lines = sorted(f"{each.kind}/{each.namespace}/{each.name}={version}" for each, version in seen.items())
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
