"""Where HorizontalPodAutoscalers of ours are, and whether an event about one is worth a look.

Fed by the watch. An autoscaler's controller writes what it has measured into status every fifteen seconds; an
AgentDeployment only tells whether it scales at all. Where nobody asks for one, none is asked for at the API server.
"""

from __future__ import annotations

import json

from agentos_operator.clients.kinds import AUTOSCALER
from agentos_operator.resources.common import Object

_TOLD = ("AbleToScale", "ScalingActive")
"""Conditions that say whether it works; what else its status holds are measurements."""


class Autoscalers:
    """Remembers what was last seen of each."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def __contains__(self, place: tuple[str, str]) -> bool:
        """Whether there is one at ``place``, a namespace and a name."""
        return place in self._known

    def observe(self, body: Object, *, deleted: bool) -> bool:
        """An object of any kind was added, changed or deleted; False when all that is new of it are measurements."""
        if body["kind"] != AUTOSCALER.kind:
            return True
        place = (body["metadata"]["namespace"], body["metadata"]["name"])
        before = self._known.pop(place, None)
        if deleted:
            return True
        self._known[place] = now = _essence(body)
        return now != before


def _essence(body: Object) -> str:
    metadata = body["metadata"]
    identity = {key: metadata.get(key) for key in ("uid", "labels", "annotations", "ownerReferences")}
    return json.dumps([identity, body["spec"], scaling_conditions(body)], sort_keys=True)


def scaling_conditions(body: Object) -> list[Object]:
    """What an autoscaler says about its own work, without the times."""
    said = body.get("status", {}).get("conditions") or ()
    return [
        {key: each.get(key, "") for key in ("type", "status", "reason", "message")}
        for each in said
        if each["type"] in _TOLD
    ]
