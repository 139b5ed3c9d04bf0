"""Lets faults happen to single calls of the operator, each workspace having its own; for both proxies.

It also notes what the proxies see: the calls on behalf of each workspace, and what the operator says in status.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.faults.calls import Call, Calls, request_text, workspace_in
from tests.faults.catalogue import ApiFault, Death, Fault, WatchFault
from tests.integration.operator.proxy import Answer, Request

Said = tuple[str, str, str, str]
"""Kind, type, status and reason of a condition."""
Lies = Callable[[str, dict[str, Any]], list[str]]


@dataclass
class Armed:
    """A fault that waits for its call."""

    fault: Fault
    call: Call | None
    """None for the first attempt at everything that the fault fits."""
    hits: int = 0
    tried: set[str] = field(default_factory=set)

    def takes(self, call: Call) -> bool:
        """Whether the fault happens now."""
        if self.call is not None:
            hit = self.hits == 0 and call == self.call
        else:
            hit = not isinstance(self.fault, WatchFault) and self.fault.fits(call) and call.text not in self.tried
            self.tried.add(call.text)
        self.hits += hit
        return hit


class Injector:
    """What stands in both proxies."""

    def __init__(self, end: Callable[[Death], None], workspace_of: Callable[[str], str | None], lies: Lies) -> None:
        self._end = end
        """Ends the operator."""
        self._workspace_of = workspace_of
        """The workspace of a schema."""
        self._lies = lies
        """Asked before a status that says Ready passes: what of it is not so."""
        self._lock = threading.Lock()
        self._armed: dict[str, Armed] = {}
        self._watched: dict[str, Calls] = {}
        self._struck: dict[int, Fault] = {}
        self.said: dict[str, list[tuple[Said, ...]]] = defaultdict(list)
        """By workspace, every status that the operator has written, in order."""
        self.lies: dict[str, list[str]] = defaultdict(list)

    def watch(self, name: str) -> None:
        """Count the calls on behalf of ``name`` from now on."""
        with self._lock:
            self._watched[name] = Calls()

    def arm(self, name: str, fault: Fault, call: Call | None) -> Armed:
        """Count from now on, and let ``fault`` happen at ``call``."""
        self.watch(name)
        with self._lock:
            self._armed[name] = Armed(fault, call)
            return self._armed[name]

    def disarm(self, name: str) -> None:
        """Nothing more happens to ``name``."""
        with self._lock:
            self._armed.pop(name, None)

    def calls(self, name: str) -> list[Call]:
        """What was called on behalf of ``name`` since it is watched."""
        with self._lock:
            return list(self._watched[name].made)

    def meet(self, name: str, text: str) -> Fault | None:
        """The fault of the call that is made now on behalf of ``name``."""
        with self._lock:
            if name not in self._watched:
                return None
            call = self._watched[name].count(text)
            armed = self._armed.get(name)
            return armed.fault if armed is not None and armed.takes(call) else None

    def meet_statement(self, schema: str, text: str) -> Fault | None:
        """The fault of the statement that is made now."""
        name = self._workspace_of(schema)
        return self.meet(name, text) if name else None

    def strike(self, fault: Fault) -> None:
        """End the operator, if that is the fault."""
        if isinstance(fault, Death):
            self._end(fault)

    # The rules of the proxy to the API server

    def before(self, request: Request) -> Answer | None:
        """Whether the request goes through."""
        name = workspace_in(request.path)
        if name is None or "/leases" in request.path:
            return None
        self._check_ready(name, request)
        fault = self.meet(name, request_text(request.method, request.path))
        if fault is None or isinstance(fault, WatchFault):
            return None
        if fault.happens:
            with self._lock:
                self._struck[id(request)] = fault
            return None
        self.strike(fault)
        return _answer(fault)

    def seen(self, request: Request, status: int, _: bytes) -> None:
        """Note what the operator has said."""
        name = workspace_in(request.path)
        if name is not None and status == 200 and request.path.endswith("/status"):
            self.said[name].append(conditions_in(json.loads(request.body)))

    def after(self, request: Request) -> Answer | None:
        """Whether the operator gets the answer."""
        with self._lock:
            fault = self._struck.pop(id(request), None)
        if fault is None:
            return None
        self.strike(fault)
        return _answer(fault)

    def _check_ready(self, name: str, request: Request) -> None:
        if request.method != "PATCH" or not request.path.endswith("/status"):
            return
        body = json.loads(request.body)
        if any(said[1:3] == ("Ready", "True") for said in conditions_in(body)):
            self.lies[name] += self._lies(name, body)


def conditions_in(body: dict[str, Any]) -> tuple[Said, ...]:
    """The conditions of a status."""
    found = body.get("status", {}).get("conditions", ())
    return tuple((body["kind"], each["type"], each["status"], each["reason"]) for each in found)


def _answer(fault: Fault) -> Answer:
    return fault.answer if isinstance(fault, ApiFault) else Answer(None)
