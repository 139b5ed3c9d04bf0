"""What a look at objects that no watch tells of has found in order, and for how long that is believed.

A reconciliation comes with every step of a roll-out; members' RoleBindings, ConfigMaps of earlier specs and the history
change with a spec, if at all. So they are looked at when what is wanted of them changes, when an event casts doubt on
one of them, and from time to time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from agentos_operator.clients.kinds import ROLE_BINDING
from agentos_operator.resources.common import Object


@dataclass
class Looks:
    """By a resource's UID and what was looked at, what was wanted then and what was found."""

    monotonic: Callable[[], float]
    seconds: float
    """How long a look is believed."""
    _found: dict[str, dict[str, tuple[Hashable, Any, float]]] = field(default_factory=dict)

    def recall(self, uid: str, what: str, wanted: Hashable) -> Any:
        """What the last look found, if it was for ``wanted`` and not long ago; else None.

        To ask for something else ends belief for good: what was wanted in between may have left something, also when
        the first wish comes back.
        """
        known = self._found.get(uid, {}).get(what)
        if known is None:
            return None
        if known[0] != wanted or self.monotonic() >= known[2]:
            del self._found[uid][what]
            return None
        return known[1]

    def note(self, uid: str, what: str, wanted: Hashable, found: Any) -> None:
        """All is as ``wanted``; ``found`` is anything but None."""
        self._found.setdefault(uid, {})[what] = (wanted, found, self.monotonic() + self.seconds)

    def forget(self, uid: str) -> None:
        """Believe nothing about the resource any more: something of it has changed, or it is gone."""
        self._found.pop(uid, None)

    def doubt(self, child: Object) -> None:
        """Something was told of a child: where that is of a kind that looks are about, believe nothing of its owner."""
        if child["kind"] == ROLE_BINDING.kind:
            for reference in child["metadata"].get("ownerReferences", ()):
                self.forget(reference["uid"])
