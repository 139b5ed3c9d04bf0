"""What the answers of several pods come to; pure.

One pod that cannot use a server is enough for False, because a caller may be led to that one. A pod that was not
understood proves nothing, so True needs every pod that was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentos_operator import reasons
from agentos_operator.resources.runtime_state import CONNECTED, PENDING, UNAVAILABLE, RuntimeState

_MOST_TOLD = 3


@dataclass(frozen=True)
class Failing:
    """An MCP server that pods cannot use."""

    name: str
    pods: int
    cause: str


@dataclass(frozen=True)
class Finding:
    """What one inquiry came to."""

    uid: str
    """Of the AgentDeployment."""
    servers: tuple[str, ...]
    """Those that it was about."""
    holds: bool | None
    reason: str
    message: str
    failing: tuple[tuple[str, int, int], ...] = ()
    """Names of servers, and how many pods cannot use them, of how many."""
    pending: bool = False
    """Whether pods have yet to find out, and nothing else is to be told."""
    version: str | None = None
    agno: str | None = None

    def says_the_same(self, other: Finding | None) -> bool:
        """Whether status would say nothing new. The words of a cause are left out: a pod could change them for ever."""
        return other is not None and self._essence() == other._essence()

    def _essence(self) -> tuple[object, ...]:
        if self.pending:
            return self.uid, self.servers
        told = self.uid, self.servers, self.holds, self.reason, self.failing, self.version, self.agno
        return (*told, None if self.failing else self.message)


def judge(uid: str, servers: tuple[str, ...], answers: Sequence[RuntimeState | None]) -> Finding:
    """``answers`` are those of the pods that were asked, the newest first; None for one that was not understood."""
    told = [answer for answer in answers if answer is not None]
    newest = told[0] if told else RuntimeState()
    failing = list(_failing(servers, told))
    pending = not failing and any(_status(answer, name) == PENDING for answer in told for name in servers)
    holds, reason, message = _verdict(servers, failing, answers, pending=pending)
    counts = tuple((each.name, each.pods, len(answers)) for each in failing)
    return Finding(uid, servers, holds, reason, message, counts, pending, newest.version, newest.agno)


def _verdict(
    servers: Sequence[str], failing: Sequence[Failing], answers: Sequence[RuntimeState | None], *, pending: bool
) -> tuple[bool | None, str, str]:
    if failing:
        return False, reasons.MCP_SERVER_UNAVAILABLE, _told(failing, len(answers))
    if pending:
        return None, reasons.WAITING, "The pods have not asked their MCP servers yet."
    silent = sum(answer is None or not _knows(answer, servers) for answer in answers)
    if silent or not answers:
        asked = f"{silent} of {len(answers)} pods did" if answers else "No pod did"
        return None, reasons.NOT_ANSWERED, f"{asked} not tell of their MCP servers when asked at port 9464, /state."
    return True, reasons.READY, f"Every pod that was asked has the tools of its MCP servers: {', '.join(servers)}."


def _failing(servers: Sequence[str], told: Sequence[RuntimeState]) -> Iterator[Failing]:
    for name in servers:
        causes = [answer.servers[name].cause for answer in told if _status(answer, name) == UNAVAILABLE]
        if causes:
            yield Failing(name, len(causes), causes[0])


def _status(answer: RuntimeState, name: str) -> str | None:
    state = answer.servers.get(name)
    return state.status if state else None


def _knows(answer: RuntimeState, servers: Sequence[str]) -> bool:
    return all(_status(answer, name) == CONNECTED for name in servers)


def _told(failing: Sequence[Failing], asked: int) -> str:
    sentences = [
        f"MCP server {each.name} cannot be used by {each.pods} of {asked} pods: {each.cause or 'no cause was given'}"
        for each in failing[:_MOST_TOLD]
    ]
    others = len(failing) - _MOST_TOLD
    return "; ".join(sentences) + (f"; and {others} more servers" if others > 0 else "")
