"""A second PostgreSQL beside the chart's, which admits nobody without TLS, for ``test_database_servers``.

It runs as an administrator's would: in a Namespace of its own, behind a Service, with a certificate of an authority
that only the chart's values name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from local import demo
from local.paths import CHECKOUT
from local.pki import Authority, Identity
from tests.cluster.tenancy import Tenancy

NAMESPACE = "databases"
HOST = f"postgres.{NAMESPACE}.svc"
ADMIN, AUTHORITIES = "second-admin", "second-ca"
SERVER: dict[str, Any] = {
    "name": "second",
    "host": HOST,
    "sslMode": "verify-full",
    "ca": {"configMap": AUTHORITIES},
    "existingSecret": ADMIN,
}
"""Its entry in ``database.servers``: where its pods are is left to the operator."""
_INITIALISE = (CHECKOUT / "charts" / "agentos" / "files" / "initialise.sh").read_text()
_HBA = "local all all trust\nhostssl all all all scram-sha-256\n"
_DATA, _PGDATA = "/var/lib/postgresql/data", "/var/lib/postgresql/data/pgdata"
_USER = 999
"""PostgreSQL's in the image."""


def install(tenancy: Tenancy, folder: Path) -> None:
    """Bring the server up, and put beside the operator what it needs to use it."""
    authority = Authority.create(folder)
    authority.issue(Identity("server", "postgres", hosts=(HOST,)))
    tenancy.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    tls = {"tls.crt": authority.certificate("server").read_text(), "tls.key": authority.key("server").read_text()}
    login = {"username": "agentos_operator", "password": "planted-password-of-the-second-server"}
    tenancy.apply(
        _secret("tls", NAMESPACE, tls),
        _secret("admin", NAMESPACE, login),
        _secret(ADMIN, demo.NAMESPACE, login),
        _config_map("files", NAMESPACE, {"initialise.sh": _INITIALISE, "pg_hba.conf": _HBA}),
        _config_map(AUTHORITIES, demo.NAMESPACE, {"ca.crt": authority.certificate().read_text()}),
        _deployment(demo.ensure_images()["agentos-postgres"].ref),
        _service(),
    )
    tenancy.kubectl("rollout", "status", "deployment/postgres", "-n", NAMESPACE, "--timeout=180s")


def psql(tenancy: Tenancy, database: str, query: str) -> str:
    """What the server's superuser, inside the pod, gets for ``query`` in ``database``."""
    command = ("psql", "-U", "postgres", "-d", database, "-At", "-v", "ON_ERROR_STOP=1", "-c", query)
    return tenancy.kubectl("exec", "-n", NAMESPACE, "deployment/postgres", "-c", "postgres", "--", *command)


def _secret(name: str, namespace: str, values: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": values,
    }


def _config_map(name: str, namespace: str, values: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": values,
    }


def _service() -> dict[str, Any]:
    """Its port differs from the pods', so that a policy which names the one that is called would close the way."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "postgres", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "postgres"}, "ports": [{"port": 5432, "targetPort": 6432}]},
    }


def _deployment(image: str) -> dict[str, Any]:
    labels = {"app": "postgres"}
    volumes: list[dict[str, Any]] = [
        {"name": "files", "configMap": {"name": "files"}},
        # The key belongs to root, and PostgreSQL's group may read it: more it does not take.
        {"name": "tls", "secret": {"secretName": "tls", "defaultMode": 0o440}},
        *({"name": name, "emptyDir": {}} for name in ("data", "run", "tmp")),
    ]
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {"runAsUser": _USER, "runAsGroup": _USER, "fsGroup": _USER},
        "initContainers": [_initialise(image)],
        "containers": [_server(image)],
        "volumes": volumes,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "postgres", "namespace": NAMESPACE},
        "spec": {
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _initialise(image: str) -> dict[str, Any]:
    environment = [{"name": "PGDATA", "value": _PGDATA}]
    for variable, key in (("AGENTOS_USERNAME", "username"), ("AGENTOS_PASSWORD", "password")):
        environment.append({"name": variable, "valueFrom": {"secretKeyRef": {"name": "admin", "key": key}}})  # type: ignore[dict-item]
    return {
        "name": "initialise",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "/files/initialise.sh"],
        "env": environment,
        "volumeMounts": _mounts(files="/files", data=_DATA, tmp="/tmp"),
    }


def _server(image: str) -> dict[str, Any]:
    options = {
        "listen_addresses": "*",
        "port": "6432",
        "max_connections": "200",
        "ssl": "on",
        "ssl_cert_file": "/tls/tls.crt",
        "ssl_key_file": "/tls/tls.key",
        "hba_file": "/files/pg_hba.conf",
    }
    return {
        "name": "postgres",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["postgres", "-D", _PGDATA, *(part for each in options.items() for part in ("-c", "=".join(each)))],
        "env": [{"name": "PGPORT", "value": "6432"}],
        "readinessProbe": {"exec": {"command": ["pg_isready", "--quiet", "--host=127.0.0.1"]}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
        "volumeMounts": _mounts(
            files="/files",
            tls="/tls",
            data=_DATA,
            run="/var/run/postgresql",
            tmp="/tmp",
        ),
    }


def _mounts(**paths: str) -> list[dict[str, str]]:
    return [{"name": name, "mountPath": path} for name, path in paths.items()]
