"""Everything that a fleet of workspaces needs, as processes on loopback that end with the block."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from psycopg import sql

from agentos_operator.clients.postgres.credentials import scram_verifier
from bench.process import Program
from bench.scale import nodes, statements
from local import controlplane, gobuild, postgres, toolchain
from local.api import Api
from local.controlplane import free_ports
from local.paths import CHECKOUT
from local.postgres import PostgresProcess
from local.steps import StepFailedError, run, wait_until

Object = dict[str, Any]
SYSTEM = "agentos-system"
ACCOUNT = "agentos-operator"
USER = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"
"""How the API server calls the operator."""
ADVICE = "The quoted message says why; nothing was written to the results."
_ROLE, _PASSWORD, _DATABASE = "agentos_operator", "bench-password", "agentos"
_HTTP_ROUTE = "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"
_GATEWAY_API = ("sigs.k8s.io/gateway-api", "v1.6.1")


@dataclass(frozen=True)
class World:
    """A cluster without real pods, a PostgreSQL, and an operator for both."""

    kubeconfig: Path
    """The administrator's."""
    operator: Program
    """With the chart's configuration and the chart's rights; not started."""
    config: Path
    """Its configuration."""
    metrics: int
    """The port on loopback where it tells its metrics."""
    database: PostgresProcess
    audit: Path
    """Who wrote what, and what the operator asked for, as the API server notes it."""


@contextmanager
def running() -> Iterator[World]:
    """Start everything but the operator, hand it out, leave nothing behind."""
    binaries = toolchain.ensure(("kubectl", "helm", "kwok"))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agentos-scale-")))
        plane = stack.enter_context(controlplane.running(pods=True, audited=True, reads_of=(USER,)))
        admin = plane.kubeconfig("admin")
        database = stack.enter_context(postgres.running(17, {"max_connections": "200", **statements.SETTINGS}))
        _make_database(database)
        statements.prepare(database)
        _apply(binaries, admin, [*_crds(), *nodes.nodes()])
        _wait_for_routes(admin)
        kwok = nodes.command(binaries["kwok"], admin, folder, (nodes.accept_routes(),))
        stack.enter_context(background(kwok, folder / "kwok.log"))
        _wait_for_nodes(admin, folder / "kwok.log")
        config, metrics = _configure(binaries, admin, folder, database), free_ports(1)[0]
        operator = _operator(_kubeconfig(binaries, admin, folder), config, metrics)
        stack.callback(operator.stop)
        yield World(admin, operator, config, metrics, database, plane.audit_log)


def _make_database(database: PostgresProcess) -> None:
    role, base = sql.Identifier(_ROLE), sql.Identifier(_DATABASE)
    verifier = sql.Literal(scram_verifier(_PASSWORD))
    database.run(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(role, verifier))
    database.run(sql.SQL("CREATE DATABASE {} OWNER {}").format(base, role))


def _crds() -> list[Object]:
    files = [*sorted((CHECKOUT / "crds").glob("*.yaml")), gobuild.module_folder(*_GATEWAY_API) / _HTTP_ROUTE]
    return [body for file in files for body in yaml.safe_load_all(file.read_text()) if body]


def _apply(binaries: dict[str, Path], kubeconfig: Path, documents: Sequence[Object]) -> None:
    words = [f"--kubeconfig={kubeconfig}", "apply", "--server-side", "-f", "-"]
    run([binaries["kubectl"], *words], advice=ADVICE, stdin=yaml.safe_dump_all(documents))


@contextmanager
def background(command: Sequence[str], log: Path) -> Iterator[None]:
    """A program that the kernel ends with us."""
    with log.open("wb") as output:
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdout=output, stderr=output)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _configure(binaries: dict[str, Path], admin: Path, folder: Path, database: PostgresProcess) -> Path:
    """The operator's rights in the cluster and its configuration: the chart's, nothing more."""
    _apply(binaries, admin, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}])
    chart = _chart(binaries["helm"], database.port)
    kinds = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount")
    _apply(binaries, admin, [item for item in chart if item["kind"] in kinds])
    credentials = folder / "servers" / "default"
    credentials.mkdir(parents=True)
    (credentials / "username").write_text(_ROLE)
    (credentials / "password").write_text(_PASSWORD)
    config = _config(chart)
    config["database"]["credentialsDir"] = str(folder / "servers")
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def _operator(kubeconfig: Path, config: Path, metrics: int) -> Program:
    (port,) = free_ports(1)
    liveness = f"http://127.0.0.1:{port}/healthz"
    arguments = ("--config", str(config), "--liveness", liveness, "--metrics-port", str(metrics))
    return Program(
        "the operator",
        ("agentos_operator", *arguments),
        {"KUBECONFIG": str(kubeconfig), "POD_NAME": "bench"},
        port,
        "/healthz",
        config.with_name("operator.log"),
    )


def _chart(helm: Path, port: int) -> list[Object]:
    server = {
        "name": "default",
        "host": "127.0.0.1",
        "port": port,
        "database": _DATABASE,
        "sslMode": "disable",
        "existingSecret": "unused",
        "network": {"cidrs": ["127.0.0.1/32"]},
    }
    values = {
        "database": {"embedded": {"enabled": False}, "servers": [server]},
        # On a node that kwok pretends to run, an isolation probe would never end.
        "isolation": {"verification": {"enabled": False}},
    }
    options = ["-n", SYSTEM, "--kube-version", toolchain.KUBERNETES.removeprefix("v"), "-f", "-"]
    text = run(
        [helm, "template", "agentos", CHECKOUT / "charts/agentos", *options],
        advice=ADVICE,
        stdin=yaml.safe_dump(values),
    )
    return [item for item in yaml.safe_load_all(text) if item]


def _config(chart: Sequence[Object]) -> Object:
    for item in chart:
        if item["kind"] == "ConfigMap" and "config.yaml" in item.get("data", {}):
            config: Object = yaml.safe_load(item["data"]["config.yaml"])
            return config
    raise StepFailedError("the chart has no configuration of the operator", ADVICE)


def _kubeconfig(binaries: dict[str, Path], admin: Path, folder: Path) -> Path:
    """The operator's ServiceAccount, as a kubeconfig."""
    create = ["create", "token", ACCOUNT, "-n", SYSTEM, "--duration=8h"]
    token = run([binaries["kubectl"], f"--kubeconfig={admin}", *create], advice=ADVICE).strip()
    document = yaml.safe_load(admin.read_text())
    document["users"][0]["user"] = {"token": token}
    path = folder / "operator-kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def _wait_for_routes(kubeconfig: Path) -> None:
    """kwok reads the schema of every kind that it answers for, once, when it starts."""
    api = Api(kubeconfig)
    path = "/openapi/v3/apis/gateway.networking.k8s.io/v1"
    wait_until(lambda: api.get(path) is not None, what="the schema of HTTPRoute", timeout=60, advice=ADVICE)


def _wait_for_nodes(kubeconfig: Path, log: Path) -> None:
    api = Api(kubeconfig)

    def ready() -> bool:
        states = [
            condition["status"]
            for node in api.items("/api/v1/nodes")
            for condition in node.get("status", {}).get("conditions", ())
            if condition["type"] == "Ready"
        ]
        return states.count("True") == nodes.COUNT

    wait_until(ready, what="the fake nodes", timeout=60, advice=ADVICE, log=log)
