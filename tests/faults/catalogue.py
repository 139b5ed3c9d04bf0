"""The faults that one call can meet, as objects with names: of the API server, of PostgreSQL, of the operator itself.

The method is Sieve's: https://www.usenix.org/conference/osdi22/presentation/sun
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.calls import Call
from tests.integration.operator.proxy import Answer, Events

HANGS = 20.0
"""Seconds; longer than the operator waits for an answer."""


@dataclass(frozen=True)
class ApiFault:
    """What happens to one request instead of its answer."""

    name: str
    answer: Answer
    happens: bool
    """Whether the API server does as it was told all the same."""
    reads: bool = False
    """Whether it is worth trying on reads: one of each way in which the operator learns that it knows nothing."""

    def fits(self, call: Call) -> bool:
        """Whether it can meet ``call``."""
        return not call.is_sql and (call.is_write or self.reads)


API_FAULTS = (
    ApiFault("refused-as-a-conflict", Answer(409), happens=False),
    ApiFault("told-to-come-back-later", Answer(429, (("Retry-After", "1"),)), happens=False, reads=True),
    ApiFault("answered-500", Answer(500), happens=False),
    ApiFault("answered-503", Answer(503), happens=False),
    ApiFault("unanswered", Answer(None), happens=False, reads=True),
    ApiFault("done-but-the-answer-is-lost", Answer(None), happens=True),
    ApiFault("done-but-answered-503", Answer(503), happens=True),
    ApiFault("done-but-it-hangs", Answer(None, delay=HANGS), happens=True),
)


@dataclass(frozen=True)
class SqlFault:
    """What happens to one statement instead of its answer."""

    name: str
    happens: bool
    """Whether PostgreSQL runs it all the same."""
    sqlstate: str | None = None
    """The error that the operator gets; None for a connection that is cut."""
    fatal: bool = False
    """Whether the connection ends with the error."""
    delay: float = 0.0
    """Seconds that nothing is heard before the cut."""
    reads: bool = False

    def fits(self, call: Call) -> bool:
        """Whether it can meet ``call``."""
        return call.is_sql and (call.is_write or self.reads)


SQL_FAULTS = (
    SqlFault("connection-cut-before", happens=False, reads=True),
    SqlFault("connection-cut-after", happens=True),
    SqlFault("no-answer-and-then-cut", happens=True, delay=3.0),
    SqlFault("read-only", happens=False, sqlstate="25006"),
    SqlFault("ended-by-an-administrator", happens=False, sqlstate="57P01", fatal=True, reads=True),
    SqlFault("out-of-shared-memory", happens=False, sqlstate="53200"),
    SqlFault("deadlock", happens=False, sqlstate="40P01"),
)


@dataclass(frozen=True)
class Death:
    """The operator ends at a call."""

    name: str
    happens: bool
    """Whether the call has taken effect by then."""
    replaced: bool = False
    """Ended in order by its successor of another configuration, as an upgrade does it; killed otherwise."""

    def fits(self, call: Call) -> bool:
        """Around a read a death is that after the write before it: the operator keeps nothing outside both servers."""
        return call.is_write


KILLED_BEFORE = Death("killed-before", happens=False)
KILLED_AFTER = Death("killed-after", happens=True)
REPLACED = Death("replaced-by-a-newer-operator", happens=True, replaced=True)


@dataclass(frozen=True)
class WatchFault:
    """One way in which watches do not tell what happens when it happens."""

    name: str
    events: Events
    stale_lists: bool = False
    """Whether the lists that watches begin with are answered as they were at first, for a while."""


Targeted = ApiFault | SqlFault | Death
"""What happens to single calls."""
Fault = Targeted | WatchFault
