"""`spec.schedules`: runs that a clock begins."""

from __future__ import annotations

from agentos_spec.components import LABEL, LABEL_MEANS
from agentos_spec.cron import parse_cron
from agentos_spec.kinds import Timezone
from agentos_spec.model import ScheduleSpec
from agentos_spec.node import Node

MOST_SCHEDULES = 20
_TARGETS = ("agent", "team", "workflow")
_USER = r"(?!\s)[^\x00-\x1f\x7f]{1,255}(?<!\s)"
_RESERVED = ("sa:", "__")
"""How users begin that agno keeps for itself; no token may have them either."""


def parse_schedules(node: Node) -> tuple[ScheduleSpec, ...]:
    """All entries; whether the agent, team or workflow exists is not judged here."""
    items = node.items(at_least=1, at_most=MOST_SCHEDULES)
    schedules = tuple(_schedule(item) for item in items)
    ids = [schedule.id for schedule in schedules]
    for place, item in enumerate(items):
        if ids.index(ids[place]) != place:
            item.fail(f"another schedule has the id {ids[place]!r}; give each its own")
    return schedules


def _schedule(node: Node) -> ScheduleSpec:
    have = node.fields(["id", "cron", "message"], [*_TARGETS, "timezone", "user", "suspended"])
    named = {kind: have[kind].name(LABEL, LABEL_MEANS) for kind in _TARGETS if kind in have}
    if len(named) != 1:
        node.fail("give exactly one of agent, team and workflow")
    ((kind, target),) = named.items()
    timezone = Timezone().read(have["timezone"]) if "timezone" in have else "UTC"
    return ScheduleSpec(
        id=have["id"].name(LABEL, LABEL_MEANS),
        cron=_cron(have["cron"], timezone),
        timezone=timezone,
        kind=kind,
        target=target,
        message=have["message"].text(),
        user=_user(have["user"]) if "user" in have else None,
        suspended=have["suspended"].flag() if "suspended" in have else False,
        path=node.path,
    )


def _cron(node: Node, timezone: str) -> str:
    text = node.text()
    try:
        parse_cron(text, timezone)
    except ValueError as error:
        node.fail(str(error))
    return text


def _user(node: Node) -> str:
    text = node.name(_USER, "a user's id: the sub of their tokens")
    if text.startswith(_RESERVED):
        node.fail(f"{text!r} begins as no user does; {' and '.join(_RESERVED)} are agno's own")
    return text
