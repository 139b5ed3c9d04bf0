"""What the operator is compared with: a client that applies the same objects and the same SQL, and knows no more.

It takes objects and statements from the operator's own builders, in the operator's order, and writes each once: nothing
is read before, nothing is compared, no status is told, nobody is watched but the Deployments at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import sql

from agentos_operator.clients.kinds import KINDS
from agentos_operator.clients.postgres import PostgresServer, ServerSettings, WorkspaceDatabase, new_credential
from agentos_operator.clients.postgres.catalog import Facts, gather
from agentos_operator.clients.postgres.connection import Session
from agentos_operator.clients.postgres.workspace import plan
from agentos_operator.database_names import database_names
from agentos_operator.desired.access import build_access, deployment_with_access
from agentos_operator.desired.agent_deployment import Circumstances, build_deployment_objects
from agentos_operator.desired.revision import build_revision
from agentos_operator.desired.secrets import (
    DATABASE_POD_KEYS,
    DATABASE_PODS_ID,
    JWT_POD_KEYS,
    JWT_PODS_ID,
    DatabaseLogin,
    build_database_secret,
    build_jwt_secret,
    pods_id,
)
from agentos_operator.desired.surroundings import configured_surroundings
from agentos_operator.desired.workspace import build_workspace_objects
from agentos_operator.naming import FIELD_MANAGER, digest
from agentos_operator.resources.access import parse_access
from agentos_operator.resources.agent_deployment import parse_agent_deployment
from agentos_operator.resources.workspace import Workspace, parse_workspace
from agentos_operator.rotation.keys import key_annotations, read_keys
from agentos_operator.rotation.logins import Logins, login_annotations, login_values, read_logins
from agentos_operator.settings import Settings, load
from bench import workspace
from bench.scale.client import Client, Object, Watch, is_available
from bench.scale.world import World

DEPLOYMENTS = "/apis/apps/v1/deployments"


@dataclass(frozen=True)
class Bare:
    """What a fleet costs the bare client."""

    seconds: float
    """From the first apply to the last Deployment that is Available."""
    cpu_seconds: float
    """Of this process, the watch included."""
    requests: int
    statements: int


@dataclass(frozen=True)
class _Made:
    """One workspace as the builders have it."""

    workspace: Workspace
    logins: Logins
    secrets: Sequence[Object]
    database: WorkspaceDatabase


class BareClient:
    """Makes workspaces in a world without an operator."""

    def __init__(self, client: Client, place: World) -> None:
        self._client = client
        self._settings: Settings = load(place.config)
        (server,) = self._settings.database.servers
        self._server = PostgresServer(
            ServerSettings(
                name=server.name,
                host=server.host,
                port=server.port,
                database=server.database,
                sslmode=server.ssl_mode,
                credentials_dir=self._settings.database.credentials_dir / server.name,
            )
        )

    async def prepare(self) -> None:
        """What the operator does once for each server: harden the database, and know who it is there."""
        await self._server.prepare()
        names = database_names("nobody", "nobody")
        self._facts: Facts = await self._server.run(
            lambda session: gather(session, self._server.settings.database, names)
        )

    async def close(self) -> None:
        """Close the connections to PostgreSQL."""
        await self._server.close()

    async def fleet(self, names: Sequence[str], in_flight: int, seconds: float) -> Bare:
        """Make all of `names`, and wait until their pods are Available."""
        gate, statements = asyncio.Semaphore(in_flight), 0

        async def make(name: str) -> None:
            nonlocal statements
            async with gate:
                ran = await self._make(name)
                statements += ran

        async with Watch(self._client, DEPLOYMENTS, is_available) as seen:
            before, cpu, began = self._client.requests, time.process_time(), asyncio.get_running_loop().time()
            await asyncio.gather(*(make(name) for name in names))
            ready = await seen.all({workspace.namespace_of(name) for name in names}, seconds) - began
            return Bare(ready, time.process_time() - cpu, self._client.requests - before, statements)

    async def _make(self, name: str) -> int:
        """One workspace with its deployment; the number of SQL statements."""
        answers = [await self._client.apply(path, document) for path, document in workspace.documents(name)]
        _, body, model_key, deployment = answers
        made = self._build(parse_workspace(body))
        whole = build_workspace_objects(made.workspace, configured_surroundings(self._settings), self._settings)
        for each in (whole.namespace, whole.role_binding, *whole.inside, *whole.member_bindings, *made.secrets):
            await self._apply(each)
        statements = plan(
            made.database, self._facts, self._server.settings.database, made.logins.credentials
        ).statements
        await self._server.run(_applied(statements))
        for each in self._runtime(made, body, model_key, deployment):
            await self._apply(each)
        return len(statements)

    def _build(self, owner: Workspace) -> _Made:
        """Secrets and roles with fresh credentials."""
        names = database_names(owner.name, owner.meta.uid)
        now = datetime.now(UTC)
        logins = read_logins(None, names, "", owner.rotation.database, now, new_credential)
        keys = read_keys(None, owner.rotation.jwt, now, lambda: new_credential().password)
        server = self._server.settings
        login = DatabaseLogin(
            url=self._server.login_url(logins.active, logins.current.password),
            schema=names.schema,
            username=logins.active,
            password=logins.current.password,
            host=server.host,
            port=server.port,
            database=server.database,
        )
        secrets = (
            build_database_secret(owner, login, login_values(logins), login_annotations(logins)),
            build_jwt_secret(owner, keys.signer, keys.verifiers, key_annotations(keys)),
        )
        limits = owner.database
        database = WorkspaceDatabase(names, owner.meta.uid, limits.connection_limit, limits.statement_timeout_ms)
        return _Made(owner, logins, secrets, database)

    def _runtime(self, made: _Made, owner: Object, model_key: Object, body: Object) -> Iterator[Object]:
        """The objects of the AgentDeployment."""
        database, jwt = made.secrets
        credentials: Mapping[str, str] = {
            DATABASE_PODS_ID: pods_id(database, DATABASE_POD_KEYS),
            JWT_PODS_ID: pods_id(jwt, JWT_POD_KEYS),
            "secrets": digest({"openai": model_key["metadata"]["resourceVersion"]}),
        }
        deployment = parse_agent_deployment(body)
        name = made.workspace.name
        objects = build_deployment_objects(deployment, name, credentials, self._settings, Circumstances())
        objects = deployment_with_access(objects, build_access(parse_access(owner["spec"]), {}))
        yield from (objects.config_map, objects.deployment, objects.service, objects.disruption_budget, objects.route)
        yield build_revision(deployment, name, 1)

    async def _apply(self, document: Object) -> None:
        metadata = document["metadata"]
        path = KINDS[document["kind"]].path(metadata["name"], metadata.get("namespace"))
        await self._client.apply(path, document, FIELD_MANAGER)


def _applied(statements: Sequence[sql.Composable]) -> Callable[[Session], Awaitable[None]]:
    async def operation(session: Session) -> None:
        await session.apply(statements)

    return operation
