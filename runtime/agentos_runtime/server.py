"""Serving: agno is imported, the schema checked meanwhile, the port opened, then the models' SDKs
imported."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from agentos_runtime import logs
from agentos_runtime.settings import Environ, Settings, read_secret
from agentos_runtime.spec import Spec

if TYPE_CHECKING:
    from agentos_runtime.app import Application

_LOG = logging.getLogger("agentos.server")


def serve(settings: Settings, spec: Spec, environ: Environ) -> None:
    """Run until SIGTERM."""
    os.environ["AGNO_TELEMETRY"] = "false"
    configure_logs(settings)
    gc.disable()  # nothing that imports build is garbage; collecting it in between costs a third of the start
    with ThreadPoolExecutor(1) as pool:
        current = pool.submit(_is_current, settings)
        from agentos_runtime.app import create_app  # noqa: PLC0415 - agno is imported while the database answers

        application = create_app(settings, spec, lambda ref, path: read_secret(settings, environ, ref, path))
    configure_logs(settings)
    gc.freeze()
    gc.enable()
    _run(settings, application, current)


def configure_logs(settings: Settings) -> None:
    """JSON lines with this process's names, without its secrets."""
    constants = {"workspace": settings.workspace, "deployment": settings.deployment}
    logs.configure(constants, [*settings.auth.secrets, settings.database.url])


def _is_current(settings: Settings) -> bool:
    from agentos_runtime.database.migrate import is_current  # noqa: PLC0415 - in the thread, beside agno

    return settings.database.is_sqlite or is_current(settings.database)


def _run(settings: Settings, application: Application, current: Future[bool]) -> None:
    import uvicorn  # noqa: PLC0415 - after the collector is off

    application.load_models()
    if not current.result():
        from agentos_runtime.migration import migrate_schema  # noqa: PLC0415

        asyncio.run(migrate_schema(settings))
    config = uvicorn.Config(
        application.asgi,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    uvicorn.Server(config).run()
