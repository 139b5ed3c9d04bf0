"""Everything that stands around the operator in its integration tests: the cluster as an administrator sees it, the
rights of the chart, the database, and the parts that pods and gateways would play if there were any.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
import yaml
from psycopg import sql

from agentos_operator.clients.kinds import KINDS
from agentos_operator.database_names import DatabaseNames, database_names
from local.controlplane import free_ports
from tests.integration.apiserver import ApiServer, Object, eventually

if TYPE_CHECKING:
    from tests.servers import PostgresProcess

SYSTEM_NAMESPACE = "agentos-system"
ACCOUNT = "agentos-operator"
ADMIN_PASSWORD = "planted-password-of-the-operator"
BASE_DOMAIN = "agents.localhost"

WORKSPACE_CHILDREN = (
    ("RoleBinding", "agentos-operator"),
    ("NetworkPolicy", "agentos-default-deny"),
    ("NetworkPolicy", "agentos-openings"),
    ("NetworkPolicy", "agentos-isolation-probe"),
    ("ResourceQuota", "agentos-operator"),
    ("LimitRange", "agentos-operator"),
    ("Secret", "agentos-database"),
    ("Secret", "agentos-jwt"),
)
"""What a workspace's Namespace holds."""

DEPLOYMENT_CHILDREN = ("ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "HTTPRoute")
"""Kinds that an AgentDeployment owns one object of each."""


def new_name(base: str = "acme") -> str:
    """A name that no other test has; the API server is shared."""
    return f"{base}-{uuid.uuid4().hex[:6]}"


def workspace(name: str, **spec: Any) -> Object:
    """A Workspace with nothing but its name, and ``spec`` on top."""
    return {
        "apiVersion": "agentos.hyvve.io/v1alpha1",
        "kind": "Workspace",
        "metadata": {"name": name},
        "spec": {"displayName": "Acme", **spec},
    }


def agent_deployment(namespace: str, name: str = "support", **spec: Any) -> Object:
    """An AgentDeployment with one agent, and ``spec`` on top."""
    agents = [{"id": "support", "model": {"id": "openai-chat:gpt-4o-mini"}}]
    return {
        "apiVersion": "agentos.hyvve.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"agents": agents, **spec},
    }


def secret(namespace: str, name: str, **values: str) -> Object:
    """A Secret of somebody else's."""
    data = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def namespace(name: str, **metadata: Any) -> Object:
    """A Namespace of somebody else's."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


def condition(body: Object | None, type_: str = "Ready") -> Object:
    """One condition of a resource; empty when it is not there."""
    found = (body or {}).get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == type_), {})


class Process(Protocol):
    """A process, however it was started."""

    def poll(self) -> int | None:
        """The exit code, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once there is one."""

    def send_signal(self, sig: int) -> None:
        """Send it."""

    def kill(self) -> None:
        """SIGKILL."""

    def terminate(self) -> None:
        """SIGTERM."""


Launch = Callable[[Sequence[str], Mapping[str, str], Path], Process]
"""Starts the operator with these arguments and these variables on top, its output in a file."""


def launch(arguments: Sequence[str], environment: Mapping[str, str], log_file: Path) -> Process:
    """The operator as its image starts it."""
    # It must not outlive the tests, however these end.
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "agentos_operator", *arguments]
    with log_file.open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})


@dataclass
class OperatorProcess:
    """One replica, running."""

    process: Process
    log_file: Path
    identity: str

    @property
    def log(self) -> str:
        """Everything that this replica has said."""
        return self.log_file.read_text(errors="replace")

    @property
    def is_leading(self) -> bool:
        """Whether it has the Lease."""
        return f"leading as {self.identity}" in self.log

    def wait_until_leading(self) -> None:
        """Wait until it works."""
        eventually(self._leads_or_ended, "the operator leads")
        assert self.process.poll() is None, self.log

    def stop(self) -> int:
        """End it as Kubernetes does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        """End it as a failing node does."""
        self.process.kill()
        self.process.wait(30)

    def _leads_or_ended(self) -> bool:
        return self.is_leading or self.process.poll() is not None


@dataclass
class Stage:
    """One database and one configuration of the operator, in the API server that all tests share."""

    api: ApiServer
    postgres: PostgresProcess
    database: str
    role: str
    """The operator's role in PostgreSQL, with the rights that the documentation asks for."""
    folder: Path
    configuration: Object
    """The chart's, completed with the place of the credentials."""
    token: str = field(repr=False)
    """Of the operator's ServiceAccount."""
    launch: Launch = launch
    started: list[OperatorProcess] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set, repr=False)
    """Every secret value that was ever seen."""

    # The operator

    def start(
        self,
        *,
        wait: bool = True,
        server: str | None = None,
        identity: str = "operator-0",
        token: str | None = None,
        **changes: Any,
    ) -> OperatorProcess:
        """Run the operator with ``changes`` to its configuration; ``server`` is where it finds the API server.

        With a ``token`` of its own the API server can tell it from other replicas.
        """
        number = len(self.started)
        config = self.folder / f"config-{number}.yaml"
        config.write_text(yaml.safe_dump({**self.configuration, **changes}))
        kubeconfig = self._kubeconfig(server, token or self.token)
        log_file = self.folder / f"operator-{number}.log"
        (port,) = free_ports(1)
        arguments = ["--config", str(config), "--liveness", f"http://127.0.0.1:{port}/healthz"]
        process = self.launch(arguments, {"KUBECONFIG": str(kubeconfig), "POD_NAME": identity}, log_file)
        operator = OperatorProcess(process, log_file, identity)
        self.started.append(operator)
        if wait:
            operator.wait_until_leading()
        return operator

    @contextmanager
    def running(self, **changes: Any) -> Iterator[OperatorProcess]:
        """The operator for the length of a block; killed in the end: its next start leads at once all the same."""
        operator = self.start(**changes)
        try:
            yield operator
        finally:
            operator.kill()

    def _kubeconfig(self, server: str | None, token: str) -> Path:
        document = yaml.safe_load(self.api.kubeconfig.read_text())
        if server:
            document["clusters"][0]["cluster"] = {"server": server}
        document["users"][0]["user"] = {"token": token}
        path = self.folder / f"kubeconfig-{uuid.uuid4().hex}"
        path.write_text(yaml.safe_dump(document))
        return path

    # Resources

    def apply_workspace(self, name: str, **spec: Any) -> Object:
        """Apply a Workspace."""
        return self.api.apply(workspace(name, **spec))

    def ready_workspace(self, name: str | None = None, **spec: Any) -> str:
        """Name of a Workspace that is Ready."""
        name = name or new_name()
        self.apply_workspace(name, **spec)
        self.wait_for("Workspace", name)
        return name

    def available_deployment(self, workspace_name: str, name: str = "support", **spec: Any) -> str:
        """Namespace of an AgentDeployment that is Ready."""
        place = f"ws-{workspace_name}"
        self.api.apply(agent_deployment(place, name, **spec))
        self.serve(place, name)
        return place

    def serve(self, place: str, name: str = "support") -> Object:
        """The AgentDeployment, once it is Ready: pods and gateway follow whatever the operator asks for."""
        self.roll_out(place, name)
        self.accept_route(place, name)

        def follow() -> None:
            deployment = self.child("Deployment", place, name)
            if deployment["status"]["observedGeneration"] != deployment["metadata"]["generation"]:
                self.roll_out(place, name)
            route = self.api.get("HTTPRoute", name, place)
            if route is not None and route["metadata"]["generation"] != answered_generation(route):
                self.accept_route(place, name)

        return self.wait_for("AgentDeployment", name, place, meanwhile=follow)

    def wait_for(
        self,
        kind: str,
        name: str,
        place: str | None = None,
        *,
        type_: str = "Ready",
        status: str = "True",
        reason: str | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Object:
        """The resource, once the condition is as told for its newest generation."""
        last: Object = {}

        def holds() -> bool:
            meanwhile()
            last.clear()
            last.update(self.api.get(kind, name, place) or {})
            found = condition(last, type_)
            return (
                found.get("status") == status
                and reason in (None, found["reason"])
                and found["observedGeneration"] == last["metadata"]["generation"]
            )

        try:
            eventually(holds, f"{kind} {name}: {type_} is {status} {reason or ''}", timeout=45)
        except AssertionError as error:
            tail = self.started[-1].log[-3000:] if self.started else ""
            seen = json.dumps(last.get("status"), indent=1)
            raise AssertionError(f"{error}\nlast seen: {seen}\noperator: {tail}") from error
        return copy.deepcopy(last)

    def wait_until_gone(self, kind: str, name: str, place: str | None = None) -> None:
        """Wait until the object no longer exists."""
        eventually(lambda: self.api.get(kind, name, place) is None, f"{kind} {name} is gone")

    def child(self, kind: str, place: str, name: str) -> Object:
        """A child that must be there. A ConfigMap is found by its labels, because its name tells its content."""
        if kind == "ConfigMap":
            (found,) = self.config_maps(place, name)
            return found
        body = self.api.get(kind, name, place or None)
        assert body is not None, f"{kind} {name} in {place} is missing"
        return body

    def config_maps(self, place: str, deployment: str = "support") -> list[Object]:
        """ConfigMaps of an AgentDeployment."""
        return [
            each
            for each in self.api.items("ConfigMap", place)
            if each["metadata"].get("labels", {}).get("agentos.hyvve.io/deployment") == deployment
        ]

    def secret(self, name: str, place: str) -> dict[str, str]:
        """The values of a Secret."""
        values = decoded(self.child("Secret", place, name))
        self.secrets.update(self._secret_values(values))
        return values

    # What pods and gateways would do

    def roll_out(self, place: str, name: str = "support") -> Object:
        """Say that all pods of the newest revision run, as the deployment controller does."""
        eventually(lambda: self.api.get("Deployment", name, place) is not None, f"Deployment {name} exists")
        deployment = self.child("Deployment", place, name)
        pods = deployment["spec"]["replicas"]
        status = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), pods)
        status["observedGeneration"] = deployment["metadata"]["generation"]
        self.api.patch("Deployment", name, {"status": {**status, "conditions": None}}, place, "status")
        return deployment

    def accept_route(self, place: str, name: str = "support") -> None:
        """Say that the Gateway has accepted the route, as its controller does."""
        eventually(lambda: self.api.get("HTTPRoute", name, place) is not None, f"HTTPRoute {name} exists")
        self.answer_route(place, name, status="True", reason="Accepted", message="Route is accepted")

    def answer_route(self, place: str, name: str, *, status: str, reason: str, message: str) -> None:
        """Answer for the route as a Gateway's controller does."""
        route = self.child("HTTPRoute", place, name)
        accepted = {
            "type": "Accepted",
            "status": status,
            "reason": reason,
            "message": message,
            "observedGeneration": route["metadata"]["generation"],
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        parent = {
            "parentRef": route["spec"]["parentRefs"][0],
            "controllerName": "example.com/gateway",
            "conditions": [accepted],
        }
        self.api.patch("HTTPRoute", name, {"status": {"parents": [parent]}}, place, "status")

    # PostgreSQL

    @property
    def credentials(self) -> Path:
        """Folder of the operator's user name and password."""
        return self.folder / "servers" / "default"

    def names(self, body: Object) -> DatabaseNames:
        """Names that a Workspace has in PostgreSQL."""
        return database_names(body["metadata"]["name"], body["metadata"]["uid"])

    def sql(self, statement: str, *identifiers: str) -> list[tuple[Any, ...]]:
        """Rows of a statement of the superuser; ``{}`` stand for ``identifiers``."""
        with self.postgres.connect(self.database) as connection:
            query = sql.SQL(statement).format(*map(sql.Identifier, identifiers))
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def roles(self, names: DatabaseNames) -> dict[str, bool]:
        """Those of the workspace's roles that exist, and whether they can log in."""
        with self.postgres.connect(self.database) as connection:
            query = "SELECT rolname::text, rolcanlogin FROM pg_roles WHERE rolname = ANY (%s)"
            return dict(connection.execute(query, [list(names.roles)]).fetchall())

    def has_schema(self, names: DatabaseNames) -> bool:
        """Whether the workspace's schema exists."""
        with self.postgres.connect(self.database) as connection:
            query = "SELECT FROM pg_namespace WHERE nspname = %s"
            return connection.execute(query, [names.schema]).fetchone() is not None

    def log_in(self, place: str) -> psycopg.Connection:
        """Log in as the workspace's runtimes do."""
        return psycopg.connect(self.secret("agentos-database", place)["url"], autocommit=True)

    def can_log_in(self, place: str) -> bool:
        """Whether the workspace's Secret opens its database."""
        try:
            self.log_in(place).close()
        except psycopg.OperationalError:
            return False
        return True

    # Looking for leaks and writes

    def versions(self, workspaces: Sequence[str]) -> dict[str, str]:
        """resourceVersion of every object of these workspaces, custom resources included."""
        found = {}
        for name in workspaces:
            found[f"Workspace {name}"] = self._version("Workspace", name, None)
            found[f"Namespace {name}"] = self._version("Namespace", f"ws-{name}", None)
        for kind in KINDS.values():
            for place in (f"ws-{name}" for name in workspaces if kind.namespaced):
                for body in self.api.items(kind.kind, place):
                    found[f"{kind.kind} {place}/{body['metadata']['name']}"] = body["metadata"]["resourceVersion"]
        return found

    def _version(self, kind: str, name: str, place: str | None) -> str:
        body = self.api.get(kind, name, place)
        return str(body["metadata"]["resourceVersion"]) if body else ""

    def leaks(self) -> list[str]:
        """Places where a secret value stands that it must not stand in."""
        for body in self.api.items("Secret"):
            if body["metadata"]["namespace"].startswith("ws-"):
                self.secrets.update(self._secret_values(decoded(body)))
        places = {operator.log_file.name: operator.log for operator in self.started}
        places["PostgreSQL's log"] = self.postgres.log
        places["pg_stat_statements"] = self._statements()
        places["kubectl describe"] = self._described()
        places["Events"] = json.dumps(self.api.request("GET", "/api/v1/events")["items"])
        for kind in ("Workspace", "AgentDeployment", "Deployment", "ConfigMap", "ControllerRevision", "HTTPRoute"):
            places[f"a {kind}"] = json.dumps(self.api.items(kind))
        known = {*self.secrets, ADMIN_PASSWORD, self.token}
        return [place for place, text in places.items() if any(each in text for each in known)]

    def _described(self) -> str:
        """What `kubectl describe` shows; it fails when an object goes between its list and its look."""
        done: list[str] = []

        def described() -> bool:
            said = self.api.kubectl("describe", "workspaces,agentdeployments", "-A", check=False)
            done[:] = [said.stdout]
            return said.returncode == 0

        eventually(described, "all is described")
        return done[0]

    def _statements(self) -> str:
        """Every statement that PostgreSQL has counted, of whatever database."""
        with self.postgres.connect() as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            return "\n".join(text for (text,) in connection.execute("SELECT query FROM pg_stat_statements"))

    @staticmethod
    def _secret_values(values: Mapping[str, str]) -> Iterator[str]:
        for key in ("password", "next-password", "previous-password", "secret", "url", "api-key"):
            if len(values.get(key, "")) >= 12:
                yield values[key]

    def discard(self) -> None:
        """End what was started, and let go of the Workspaces without an operator."""
        for operator in self.started:
            if operator.process.poll() is None:
                operator.kill()
        for body in self.api.items("Workspace"):
            name = body["metadata"]["name"]
            self.api.patch("Workspace", name, {"metadata": {"finalizers": None}, "spec": {"preventDeletion": False}})
            self.api.delete("Workspace", name)


def answered_generation(route: Object) -> int:
    """The newest generation of a route that a gateway has answered for; 0 for none."""
    parents = route.get("status", {}).get("parents", ())
    said = [each["observedGeneration"] for parent in parents for each in parent["conditions"]]
    return max(said, default=0)


def decoded(body: Object) -> dict[str, str]:
    """A Secret's values."""
    return {key: b64decode(value).decode() for key, value in (body.get("data") or {}).items()}
