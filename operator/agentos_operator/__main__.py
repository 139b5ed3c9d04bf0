"""``python -m agentos_operator``: reads the configuration, connects the edges, runs until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from kopf._cogs.clients.errors import APINotFoundError

from agentos_operator import main as handlers
from agentos_operator.clients.kubernetes import connect
from agentos_operator.clients.postgres import PostgresServer, ServerSettings
from agentos_operator.clients.resolver import Resolver, read_resolver
from agentos_operator.errors import SettingsError
from agentos_operator.leader import Leadership
from agentos_operator.logs import configure_logging
from agentos_operator.metrics import served
from agentos_operator.reconcile.isolation.memory import Place
from agentos_operator.service import Operator
from agentos_operator.settings import DatabaseServer, Settings, load

logger = logging.getLogger(__name__)

RESOLV_CONF = Path("/etc/resolv.conf")
LOST_LEADERSHIP = 3
"""Exit code after leadership or work ended without being told to stop."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the operator; returns the exit code."""
    parser = argparse.ArgumentParser(prog="agentos_operator", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("/etc/agentos-operator/config.yaml"))
    parser.add_argument("--liveness", default="http://0.0.0.0:8080/healthz", help="endpoint of the liveness probe")
    parser.add_argument("--metrics-port", type=int, help="where Prometheus reads metrics (default: nowhere)")
    options = parser.parse_args(arguments)
    configure_logging(logging.INFO)
    _collect_less_often()
    try:
        return uvloop.run(_serve(load(options.config), options.liveness, options.metrics_port))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_CONFIG


def _collect_less_often() -> None:
    """Have the garbage collector look at what may be garbage (https://docs.python.org/3/library/gc.html).

    What is imported lives as long as the process, and was most of what a collection looked through. Lists and answers
    are thousands of objects that go by themselves; at the default of 700 they were looked through while they were read.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def _serve(settings: Settings, liveness: str, metrics_port: int | None) -> int:
    while True:
        try:
            return await _serve_once(settings, liveness, metrics_port)
        except APINotFoundError:
            # A kind was taken out, such as the Gateway API's, and its watch asked once more before kopf knew of it.
            # kopf ends by that; all work has stopped in order, and begins again with the kinds that there are.
            logger.warning("a kind that was watched is gone; beginning again with those that there are")


async def _serve_once(settings: Settings, liveness: str, metrics_port: int | None) -> int:
    kubernetes = await connect()
    stop, failed = asyncio.Event(), asyncio.Event()

    def end() -> None:
        if not stop.is_set():
            failed.set()
            stop.set()

    identity = os.environ.get("POD_NAME") or socket.gethostname()
    namespace = settings.operator_service_account.namespace
    leadership = Leadership(kubernetes, settings.leader_election.name, namespace, identity)
    kubernetes.may_write = leadership.may_write
    databases = {
        server.name: PostgresServer(_server(settings, server), may_write=leadership.may_write)
        for server in settings.database.servers
    }
    operator = Operator(kubernetes, databases, settings, leadership, end, _place(liveness))
    async with served(operator.metrics, urlsplit(liveness).hostname or "0.0.0.0", metrics_port):  # noqa: S104 - as above
        await handlers.run(operator, stop, liveness)
    return LOST_LEADERSHIP if failed.is_set() else os.EX_OK


def _place(liveness: str) -> Place:
    """Where pods of the cluster would reach this process and its API server; the chart and the kubelet say it."""
    in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
    return Place(
        host=os.environ.get("POD_IP", ""),
        port=urlsplit(liveness).port or 80,
        api_host=os.environ.get("KUBERNETES_SERVICE_HOST", ""),
        api_port=int(os.environ.get("KUBERNETES_SERVICE_PORT", "443")),
        resolver=read_resolver(RESOLV_CONF) if in_cluster else Resolver(),
    )


def _server(settings: Settings, server: DatabaseServer) -> ServerSettings:
    return ServerSettings(
        name=server.name,
        host=server.host,
        port=server.port,
        database=server.database,
        sslmode=server.ssl_mode,
        credentials_dir=settings.database.credentials_dir / server.name,
        ca_file=server.ca_file,
    )


if __name__ == "__main__":
    sys.exit(run())
