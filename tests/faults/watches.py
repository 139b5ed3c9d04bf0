"""What can become of the events that the operator is told, and of the lists that a watch begins with.

An API server may end a watch with 410 when its history is too short, and the list that follows tells nothing of what is
gone meanwhile (https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses).
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.faults.catalogue import WatchFault
from tests.integration.operator.proxy import Answer, Proxy, Request

_GONE = json.dumps(
    {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "injected"}}
)
_BETWEEN = 3
"""Events that a watch tells before it ends."""
_STALE_LISTS = 2
"""How often a list is answered as it was at first."""


def _closed(_: Request, lines: Iterable[bytes]) -> Iterator[bytes]:
    yield from itertools.islice(lines, _BETWEEN)
    yield _GONE.encode() + b"\n"


def _cut(_: Request, lines: Iterable[bytes]) -> Iterable[bytes]:
    return itertools.islice(lines, _BETWEEN)


def _dropped(_: Request, lines: Iterable[bytes]) -> Iterator[bytes]:
    return (line for number, line in enumerate(lines) if number % 2)


def _repeated(_: Request, lines: Iterable[bytes]) -> Iterator[bytes]:
    """Each event twice, and the one before once more."""
    before = b""
    for line in lines:
        yield from (each for each in (line, before, line) if each)
        before = line


def _delayed(request: Request, lines: Iterable[bytes]) -> Iterator[bytes]:
    """Each kind by a time of its own, so that what happened first is heard last."""
    for line in lines:
        time.sleep(len(request.path) % 5 * 0.3)
        yield line


def _reordered(_: Request, lines: Iterable[bytes]) -> Iterator[bytes]:
    """Pairs change places; what has no successor stays unheard."""
    each = iter(lines)
    for first in each:
        yield from (next(each, b""), first)


WATCH_FAULTS = (
    WatchFault("watches-closed-with-410", _closed),
    WatchFault("watches-cut", _cut),
    WatchFault("events-dropped", _dropped),
    WatchFault("events-repeated", _repeated),
    WatchFault("events-delayed", _delayed),
    WatchFault("events-reordered", _reordered),
    WatchFault("stale-lists-after-410", _closed, stale_lists=True),
)


class Spoiled:
    """Puts a fault of watches into a proxy, for the length of a block."""

    def __init__(self, proxy: Proxy, fault: WatchFault) -> None:
        self._proxy, self._fault = proxy, fault
        self._before, self._seen = proxy.before, proxy.seen
        self._first: dict[str, bytes] = {}
        self._told: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __enter__(self) -> Spoiled:
        self._proxy.events = self._fault.events
        if self._fault.stale_lists:
            self._proxy.before, self._proxy.seen = self._answer_stale, self._remember
        return self

    def __exit__(self, *_: object) -> None:
        self._proxy.events = lambda _, lines: lines
        self._proxy.before, self._proxy.seen = self._before, self._seen

    def _answer_stale(self, request: Request) -> Answer | None:
        key = f"{request.path}?{request.query}"
        with self._lock:
            stale = self._first.get(key)
            if stale is not None and self._told[key] < _STALE_LISTS:
                self._told[key] += 1
                return Answer(200, body=stale)
        return self._before(request)

    def _remember(self, request: Request, status: int, body: bytes) -> None:
        if request.method == "GET" and status == 200 and b'"items"' in body and _is_of_all(request):
            with self._lock:
                self._first.setdefault(f"{request.path}?{request.query}", body)
        self._seen(request, status, body)


def _is_of_all(request: Request) -> bool:
    """Whether it is a list that a watch begins with: those of one Namespace are read where they are written."""
    return "/namespaces/" not in request.path and not request.is_watch
