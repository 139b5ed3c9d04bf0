"""Routes of the kind that ``routing.mode`` does not name: left from before it was changed.

Fed by the watch, which shows all of them when the operator starts; so a steady state asks for none.
"""

from __future__ import annotations

from agentos_operator.clients.kinds import HTTP_ROUTE, INGRESS
from agentos_operator.resources.common import Object
from agentos_operator.settings import Routing


class OtherRoutes:
    """Remembers where such routes are; whose they are is decided when they are removed."""

    def __init__(self, routing: Routing) -> None:
        self.kind = INGRESS if routing.mode == "Gateway" else HTTP_ROUTE
        self._known: set[tuple[str, str]] = set()

    def __contains__(self, place: tuple[str, str]) -> bool:
        """Whether there is one at ``place``, a namespace and a name."""
        return place in self._known

    def observe(self, body: Object, *, deleted: bool) -> None:
        """An object of any kind was added, changed or deleted."""
        if body["kind"] != self.kind.kind:
            return
        place = (body["metadata"]["namespace"], body["metadata"]["name"])
        if deleted:
            self._known.discard(place)
        else:
            self._known.add(place)
