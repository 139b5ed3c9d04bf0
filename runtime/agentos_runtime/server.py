"""Serving: the schema is made ready while agno is imported, and the port is open as soon as it is.

Order is what makes a start fast here, and the imports inside functions are that order.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentos_runtime import logs
from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.hardening import hide_process
from agentos_runtime.settings import Environ, Settings, read_secret
from agentos_spec import Spec

if TYPE_CHECKING:
    from agentos_runtime.observers import Observers

_KEYS_OF_AGNO = ("JWT_VERIFICATION_KEY", "JWT_JWKS_FILE", "OS_SECURITY_KEY")
"""agno would take keys from these as well, and an AgentDeployment may set any variable."""


def serve(settings: Settings, spec: Spec, environ: Environ) -> None:
    """Run until SIGTERM, or until a StartupError or SpecError."""
    os.environ["AGNO_TELEMETRY"] = "false"
    for name in _KEYS_OF_AGNO:
        os.environ.pop(name, None)
    # Nothing that imports build is garbage, and looking for some is a quarter of a start. The warm-up
    # turns the collector on again.
    gc.disable()
    configure_logs(settings)
    hide_process()
    from agentos_runtime.database.prepare import in_background
    from agentos_runtime.database.vectors import tables_of

    imported = threading.Event()
    prepared = in_background(settings.database, imported, tables_of(settings.deployment, spec))
    with without(_unused(settings, spec)):
        _import_agno()
    imported.set()
    _Server(settings, spec, environ, prepared).run()


def _unused(settings: Settings, spec: Spec) -> Iterator[str]:
    """What agno would import for workflows or a Redis that nobody declared."""
    if not spec.has_expressions:
        yield "celpy"  # a tenth of a start, and 3 MiB
    if not settings.redis:
        yield "redis"  # 5 MiB beside what PyJWT loads anyhow


@contextmanager
def without(packages: Iterable[str]) -> Iterator[None]:
    """Have optional packages missing in this block alone: a tool that imports one later finds it."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None makes `import` raise ModuleNotFoundError
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def _import_agno() -> None:
    """With all that the application needs of it."""
    import agentos_runtime.app  # noqa: F401


def configure_logs(settings: Settings) -> None:
    """JSON lines with this process's names, without its secrets."""
    constants = {"workspace": settings.workspace, "deployment": settings.deployment}
    redis = [settings.redis.url] if settings.redis else []
    logs.configure(constants, [*settings.auth.secrets, settings.database.url, *redis])


def _observers(settings: Settings) -> Observers:
    """Metrics where a port is set for them, which can be read from now on, and traces where a collector is."""
    from agentos_runtime.metrics import Metrics
    from agentos_runtime.observers import Observers

    metrics = tracing = None
    if settings.tracing:
        try:
            from agentos_runtime.tracing import Tracing
        except ImportError as error:
            raise _tracing_missing(error) from error

        tracing = Tracing(settings.tracing)
    if settings.metrics_port:
        metrics = Metrics()
        metrics.serve(settings.host, settings.metrics_port)
    return Observers(metrics, tracing)


def _tracing_missing(error: ImportError) -> StartupError:
    return StartupError(
        Reason.TRACING_PACKAGE_MISSING,
        f"tracing is on and needs the Python package {error.name!r}, which is not in this image; build yours on the"
        " image of this version, or turn tracing off",
    )


class _Server:
    """uvicorn around the application."""

    def __init__(self, settings: Settings, spec: Spec, environ: Environ, prepared: Future[None]) -> None:
        import uvicorn

        from agentos_runtime.app import create_app
        from agentos_runtime.protocol import LARGEST_HEAD, Protocol

        self._application = create_app(
            settings,
            spec,
            read_secret=lambda ref, path: read_secret(settings, environ, ref, path),
            prepared=prepared,
            give_up=self._give_up,
            observers=_observers(settings),
        )
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                self._application.asgi,
                host=settings.host,
                port=settings.port,
                # Left to itself, uvicorn takes uvloop where something else has installed it, and no pod has it.
                loop="asyncio",
                http=Protocol,
                h11_max_incomplete_event_size=LARGEST_HEAD,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=settings.shutdown_seconds,
            )
        )

    def run(self) -> None:
        """Serve; a failure of the warm-up comes out here."""
        self._uvicorn.run()
        if self._application.warmup.failure:
            raise self._application.warmup.failure

    def _give_up(self) -> None:
        self._uvicorn.should_exit = True
