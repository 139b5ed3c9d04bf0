"""The schema is made ready in a thread of its own, from the first moment of the process on.

So it costs a start no time where nothing is to be done, little where there is, and a database that is away
keeps the pod unready instead of restarting it: Kubernetes would wait longer and longer between restarts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from agentos_runtime.database.migrate import AWAY, migrate
from agentos_runtime.database.vectors import VectorTable
from agentos_runtime.settings import DatabaseSettings

_LOG = logging.getLogger("agentos.database")
_RETRY_SECONDS = 1.0


def prepare(
    settings: DatabaseSettings, imported: threading.Event | None = None, knowledge: Sequence[VectorTable] = ()
) -> None:
    """Bring the schema up to date, however long the database stays away. A StartupError ends it."""
    waiting = threading.Event()
    reported = ""
    while not settings.is_sqlite:  # agno makes a laptop's tables itself
        try:
            migrate(settings, imported, knowledge)
        except AWAY as error:
            problem = str(error).strip().partition("\n")[0]
            if problem != reported:
                _LOG.warning("waiting for the database: %s", problem)
            reported = problem
            waiting.wait(_RETRY_SECONDS)
        else:
            return


def in_background(
    settings: DatabaseSettings, imported: threading.Event, knowledge: Sequence[VectorTable] = ()
) -> Future[None]:
    """Start at once; the result says when requests may be let in. The caller sets `imported` when agno is."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            prepare(settings, imported, knowledge)
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    # A daemon: a process that is told to end must not wait for a database that is away.
    threading.Thread(target=run, name="prepare", daemon=True).start()
    return done
