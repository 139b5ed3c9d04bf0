"""`serve --reload`, for a laptop: the runtime is started anew whenever the document changes; called by `cli.py`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from uvicorn import Config
from uvicorn.supervisors.basereload import BaseReload

LOOK_SECONDS = 0.25
"""Between two looks at the document."""


def serve_again(serve: Callable[[], int], document: Path) -> int:
    """Run `serve` in a process of its own, and again after each change of `document`, until SIGINT or SIGTERM.

    A process that could not use the document has ended with its reason; the next change starts the next one.
    """
    config = Config(app="", log_config=None, reload_delay=LOOK_SECONDS)
    _OnChange(config, partial(_child, serve), document).run()
    return 0


def _child(serve: Callable[[], int], sockets: object) -> None:
    """What uvicorn's supervisor starts; the port is the child's own to open."""
    del sockets
    os._exit(serve())


class _OnChange(BaseReload):
    """uvicorn's supervisor looks for changed Python files; this one looks at one document."""

    def __init__(self, config: Config, target: Callable[[object], None], document: Path) -> None:
        super().__init__(config, target, [])
        self.reloader_name = "agentos-runtime"
        self._document = document
        self._seen = self._stamp()

    def should_restart(self) -> list[Path] | None:
        """The document, once it is another one and there: editors write by taking away and putting back."""
        self.pause()
        stamp = self._stamp()
        if stamp is None or stamp == self._seen:
            return None
        self._seen = stamp
        return [self._document]

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._document.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
