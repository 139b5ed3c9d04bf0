"""Counts runs as they are stored, which is how all of them end: streamed, in the background, continued.

agno stores a run anew whenever something of it changes, so only what a run was not before is counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Set as AbstractSet
from typing import Any

from agno.db.base import AsyncBaseDb

from agentos_runtime.metrics.instruments import Metrics

_COUNTED = {
    "COMPLETED": "completed",
    "PAUSED": "paused",
    "CANCELLED": "cancelled",
    "ERROR": "failed",
}
"""agno's statuses that a run comes to, and the values of the label `status`."""
_REMEMBERED = 1024
OTHER = "other"
"""The label of a run that nothing of the spec made."""


def count_runs(database: AsyncBaseDb, components: AbstractSet[str], metrics: Metrics) -> None:
    """Have this very object count what it stores: agno's agents all hold it."""
    store: Any = database.upsert_run
    last: OrderedDict[str, str] = OrderedDict()

    async def upsert_run(run: Any, *args: Any, **kwargs: Any) -> None:
        await store(run, *args, **kwargs)
        status = _COUNTED.get(_text(_told(run, "status")))
        if _is_news(last, str(_told(run, "run_id")), status) and status:
            ran = _ran(run)
            metrics.runs.labels(ran if ran in components else OTHER, status).inc()

    database.upsert_run = upsert_run  # type: ignore[method-assign]


def _ran(run: Any) -> str | None:
    """The agent, team or workflow whose run it is."""
    ids = (_told(run, name) for name in ("agent_id", "team_id", "workflow_id"))
    return next((id_ for id_ in ids if id_), None)


def _told(run: Any, name: str) -> Any:
    """A field of a run, which agno stores as an object or as a mapping."""
    return run.get(name) if isinstance(run, dict) else getattr(run, name, None)


def _text(status: Any) -> str:
    return str(getattr(status, "value", status))


def _is_news(last: OrderedDict[str, str], run: str, status: str | None) -> bool:
    """Whether a run was not in this status when it was last stored; remembers as many runs as go on at once."""
    known = last.pop(run, None)
    last[run] = status or ""
    if len(last) > _REMEMBERED:
        last.popitem(last=False)
    return known != status
