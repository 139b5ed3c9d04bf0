"""A real runtime process, a real PostgreSQL and the scripted model over HTTP."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import httpx
import jwt
import psycopg
import pytest
import yaml
from psycopg import sql

from local.paths import write_private
from tests.forks import Forked, Forks
from tests.integration.runtime import redis_server
from tests.integration.runtime.redis_server import RedisProcess

SECRET = "the-workspace-secret-of-the-tests-0123456789"
AUDIENCE = "6f1c0f5e-7f0c-4f0e-8f6e-2d1b1d3b7a11"
ISSUER = "agentos.hyvve.io"
PASSWORD = "planted-workspace-password"
API_KEY = "planted-api-key"
ALL_SCOPES = ["agents:read", "agents:run", "sessions:read", "sessions:write", "config:read"]


PRELOADED = (
    *("agentos_runtime.server", "agentos_runtime.app", "agentos_runtime.observers", "agentos_runtime.protocol"),
    *("agentos_runtime.database.prepare", "agentos_runtime.database.bring_up", "agno.db.postgres", "agno.db.sqlite"),
    *("agentos_runtime.agents.mcp", "agentos_runtime.agents.openapi", "agentos_runtime.events.shared"),
    *("agentos_runtime.knowledge.build", "agentos_runtime.auth.keys", "agno.models.openai", "agno.tools.calculator"),
    *("agno.os.manager.manager", "agno.scheduler", "fastmcp.client.transports", "httpx2", "jwt.algorithms"),
    *("uvicorn.lifespan.on", "uvicorn.loops.auto", "uvicorn.protocols.websockets.auto", "json_schema_to_pydantic"),
    *("croniter", "pydantic.v1", "agentos_runtime.chat"),
)
"""What ``agentos-runtime serve`` imports at each start, or for what a document declares."""


class Server(Protocol):
    """The fixture `postgres`: one server that a test may stop and start again."""

    port: int

    def connect(self) -> psycopg.Connection: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


Launch = Callable[[list[str], Mapping[str, str], Path], subprocess.Popen[bytes] | Forked]
"""Starts a module with these arguments and nothing but these variables, its output in a file."""


def anew(arguments: list[str], environ: Mapping[str, str], log_file: Path) -> subprocess.Popen[bytes]:
    """In a Python of its own."""
    with log_file.open("ab") as log:
        command = [sys.executable, "-m", *arguments]
        return subprocess.Popen(command, env=environ, stdout=log, stderr=log, cwd=Path(__file__).parents[3])


@dataclass
class Process:
    """One process that listens on a port of this machine."""

    arguments: list[str]
    environ: Mapping[str, str]
    log: Path
    port: int
    launch: Launch = anew
    process: subprocess.Popen[bytes] | Forked = field(init=False)

    def __post_init__(self) -> None:
        self.process = self.launch(self.arguments, {"PATH": os.environ["PATH"], **self.environ}, self.log)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """Everything the process has said."""
        return self.log.read_text(errors="replace")

    def wait_until(self, path: str, status: int = 200) -> None:
        """Until a path answers with a status; fails with the process's output after a minute."""
        deadline = time.monotonic() + 60
        while True:
            try:
                if httpx.get(self.url + path, timeout=10).status_code == status:
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def last_words(self) -> dict[str, str]:
        """What the termination log says."""
        words: dict[str, str] = json.loads(Path(self.environ["AGENTOS_TERMINATION_LOG"]).read_text())
        return words

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@dataclass(frozen=True)
class Database:
    """The schema and login of one workspace, as the operator makes them."""

    port: int
    schema: str

    @property
    def url(self) -> str:
        return f"postgresql://{self.schema}:{PASSWORD}@127.0.0.1:{self.port}/postgres?sslmode=prefer"

    def execute(self, statement: str) -> None:
        """One statement, committed."""
        with psycopg.connect(self.url, options=f"-csearch_path={self.schema}") as connection:
            connection.execute(statement.encode())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The answer to a query about tables of the schema."""
        with psycopg.connect(self.url, options=f"-csearch_path={self.schema}") as connection:
            return connection.execute(query.encode()).fetchall()


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_token(*, secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """A token of the workspace `acme`, or one that differs in what is given; None leaves a claim out."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": now,
        "exp": now + 600,
        "workspace_id": "acme",
        "scopes": ALL_SCOPES,
    } | changes
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, secret, algorithm=algorithm)


@pytest.fixture(scope="session", autouse=True)
def _no_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No public authorities for httpx, which reads all of them for each client: 25 ms of a request that takes two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("authorities")))
        yield


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The scripted model."""
    port = a_free_port()
    log = tmp_path_factory.mktemp("model") / "log"
    process = Process(["local.fakemodel", "--port", str(port)], {}, log, port)
    process.wait_until("/health")
    yield process
    process.stop()


@pytest.fixture(scope="session")
def runtimes() -> Iterator[Forks]:
    """A process with all imports of a runtime done."""
    forks = Forks("agentos_runtime.cli:main", *PRELOADED)
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def forked(runtimes: Forks) -> Launch:
    """Starts runtimes in a third of the time; ``test_runtime_process`` and the cluster tests start each anew."""
    return lambda arguments, environ, log: runtimes.start(arguments[1:], environ, log)


@pytest.fixture
def launch(forked: Launch) -> Launch:
    """How ``start`` starts runtimes."""
    return forked


@pytest.fixture
def token() -> Callable[..., str]:
    """Mints tokens; see make_token."""
    return make_token


@pytest.fixture(scope="module")
def database(postgres: Server) -> Iterator[Database]:
    """A workspace's schema, empty at first."""
    with schema_of(postgres) as database:
        yield database


@pytest.fixture(scope="module")
def pgvector(postgres: Server, database: Database) -> Iterator[Callable[[Database], None]]:
    """The extension in `ext`, where the login finds it as one of the operator's does; prepares further logins."""

    def may_use_it(tenant: Database) -> None:
        role = sql.Identifier(tenant.schema)
        with postgres.connect() as connection:
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA ext TO {}").format(role))
            connection.execute(sql.SQL("ALTER ROLE {0} SET search_path = {0}, ext").format(role))

    with postgres.connect() as connection:
        connection.execute("CREATE SCHEMA ext")
        connection.execute("CREATE EXTENSION vector SCHEMA ext")
    may_use_it(database)
    yield may_use_it
    with postgres.connect() as connection:
        connection.execute("DROP SCHEMA ext CASCADE")


@pytest.fixture(scope="module")
def a_knowledge(model: Process) -> Callable[..., dict[str, Any]]:
    """A knowledge of a spec, whose embedder is the scripted model."""

    def made(embedder: str = model.url, **changes: Any) -> dict[str, Any]:
        return {
            "id": "handbook",
            "embedder": {
                "id": "openai:text-embedding-3-small",
                "baseURL": f"{embedder}/v1",
                "apiKeySecretRef": {"name": "openai", "key": "api-key"},
                "dimensions": 256,
            },
            "maxResults": 1,
            **changes,
        }

    return made


@pytest.fixture(scope="session")
def in_schema_of() -> Callable[[Server], AbstractContextManager[Database]]:
    """A workspace's schema on another server, or another one on the same."""
    return schema_of


@contextmanager
def schema_of(postgres: Server) -> Iterator[Database]:
    """A workspace's schema and login, while it is used."""
    name = f"ws_test_{secrets.token_hex(4)}"
    with postgres.connect() as connection:
        for statement in (
            "CREATE ROLE {name} LOGIN PASSWORD {password}",
            "GRANT CONNECT ON DATABASE postgres TO {name}",  # other tests take it from PUBLIC
            "CREATE SCHEMA {name}",
            "GRANT USAGE, CREATE ON SCHEMA {name} TO {name}",
            "ALTER ROLE {name} SET search_path = {name}",
            "ALTER ROLE {name} SET statement_timeout = '30s'",
        ):
            composed = sql.SQL(statement).format(name=sql.Identifier(name), password=sql.Literal(PASSWORD))
            connection.execute(composed)
    yield Database(postgres.port, name)
    with postgres.connect() as connection:
        connection.execute(sql.SQL("DROP OWNED BY {0} CASCADE").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP SCHEMA {0} CASCADE").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP ROLE {0}").format(sql.Identifier(name)))


def agent(model_url: str, **changes: Any) -> dict[str, Any]:
    """An agent that talks to the scripted model and may calculate."""
    return {
        "id": "support",
        "instructions": ["Answer briefly."],
        "model": {
            "id": "openai-chat:gpt-4o-mini",
            "baseURL": f"{model_url}/v1",
            "apiKeySecretRef": {"name": "openai", "key": "api-key"},
        },
        "addHistoryToContext": True,
        "tools": [{"toolkit": "calculator", "requiresConfirmation": ["divide"]}],
        **changes,
    }


def write_spec(folder: Path, *agents: dict[str, Any], **content: Any) -> Path:
    """A document with these agents, and with teams, workflows, schedules or limits where they are given."""
    path = folder / "agent-deployment.yaml"
    document = {
        "apiVersion": "agentos.hyvve.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "support"},
        "spec": {"agents": list(agents)} | {name: value for name, value in content.items() if value},
    }
    # Whole, as a volume of a ConfigMap changes: a replica that starts meanwhile reads the old text or the new one.
    return write_private(path, yaml.safe_dump(document))


def pod_environ(folder: Path, database: Database, **changes: str) -> dict[str, str]:
    """The environment the operator gives a pod."""
    write_private(folder / "secrets" / "openai" / "api-key", API_KEY)
    return {
        "AGENTOS_WORKSPACE": "acme",
        "AGENTOS_DEPLOYMENT": "support",
        "AGENTOS_SPEC_FILE": str(folder / "agent-deployment.yaml"),
        "AGENTOS_DATABASE_URL": database.url,
        "AGENTOS_DATABASE_SCHEMA": database.schema,
        "AGENTOS_JWT_VERIFICATION_SECRETS": SECRET,
        "AGENTOS_JWT_ISSUER": ISSUER,
        "AGENTOS_JWT_AUDIENCE": AUDIENCE,
        "AGENTOS_SECRETS_DIR": str(folder / "secrets"),
        "AGENTOS_TERMINATION_LOG": str(folder / "termination.log"),
        **changes,
    }


def start_runtime(folder: Path, environ: Mapping[str, str], launch: Launch) -> Process:
    """`agentos-runtime serve`, not waited for; what has modules of its own to find is started as a whole."""
    port = a_free_port()
    launch = anew if "PYTHONPATH" in environ else launch
    command = ["agentos_runtime", "serve", "--port", str(port)]
    return Process(command, environ, folder / f"log-{port}", port, launch)


@pytest.fixture(scope="module")
def runtime(
    tmp_path_factory: pytest.TempPathFactory, database: Database, model: Process, forked: Launch
) -> Iterator[Process]:
    """A runtime as in a pod, ready; it must end cleanly and must not have told a secret."""
    folder = tmp_path_factory.mktemp("runtime")
    write_spec(folder, agent(model.url))
    process = start_runtime(folder, pod_environ(folder, database), forked)
    process.wait_until("/readyz")
    yield process
    process.stop()
    for planted in (PASSWORD, SECRET, API_KEY):
        assert planted not in process.output


@pytest.fixture(scope="module")
def runtime_of(
    database: Database, model: Process, forked: Launch
) -> Callable[..., AbstractContextManager[tuple[Process, Any]]]:
    """Runs a runtime with other agents on the workspace's schema or on a laptop's file; see make_token."""

    @contextmanager
    def run(
        folder: Path,
        *,
        sqlite: bool = False,
        schedules: Sequence[dict[str, Any]] = (),
        bodies: Sequence[dict[str, Any]] = (),
        teams: Sequence[dict[str, Any]] = (),
        workflows: Sequence[dict[str, Any]] = (),
        others: Sequence[dict[str, Any]] = (),
        **changes: Any,
    ) -> Iterator[tuple[Process, Any]]:
        asked = agent(model.url, **changes)
        led = [{"model": asked["model"], **team} for team in teams]
        parts = {"schedules": schedules, "knowledge": bodies, "teams": led, "workflows": workflows}
        content = {name: list(entries) for name, entries in parts.items()}
        write_spec(folder, asked, *others, **content)
        laptop = {"AGENTOS_DATABASE_URL": f"sqlite:///{folder}/agentos.db", "AGENTOS_DATABASE_SCHEMA": ""}
        process = start_runtime(folder, pod_environ(folder, database, **(laptop if sqlite else {})), forked)
        process.wait_until("/readyz")
        yield process, make_token
        process.stop()

    return run


@pytest.fixture
def client(runtime: Process) -> Iterator[httpx.Client]:
    """Alice, with every scope a user has."""
    headers = {"Authorization": f"Bearer {make_token()}"}
    with httpx.Client(base_url=runtime.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def start(tmp_path: Path, database: Database, model: Process, launch: Launch) -> Iterator[Callable[..., Process]]:
    """Starts further runtimes on the same database, with another spec or environment where one is given."""
    started: list[Process] = []

    def begin(
        *agents: dict[str, Any],
        limits: dict[str, Any] | None = None,
        teams: Sequence[dict[str, Any]] = (),
        workflows: Sequence[dict[str, Any]] = (),
        schedules: Sequence[dict[str, Any]] = (),
        knowledge: Sequence[dict[str, Any]] = (),
        **environ: str,
    ) -> Process:
        parts = {"teams": teams, "workflows": workflows, "schedules": schedules, "knowledge": knowledge}
        content = {"limits": limits} | {name: list(entries) for name, entries in parts.items()}
        write_spec(tmp_path, *(agents or (agent(model.url),)), **content)
        started.append(start_runtime(tmp_path, pod_environ(tmp_path, database, **environ), launch))
        return started[-1]

    yield begin
    for process in started:
        process.stop()
        assert PASSWORD not in process.output


@pytest.fixture
def an_agent(model: Process) -> Callable[..., dict[str, Any]]:
    """An agent of a spec; see agent."""
    return partial(agent, model.url)


@pytest.fixture
def start_alone(start: Callable[..., Process]) -> Callable[..., Process]:
    """As `start`, as a deployment of the test's own: no other runtime of the module takes its background runs."""
    return partial(start, AGENTOS_DEPLOYMENT=f"alone-{secrets.token_hex(4)}")


@pytest.fixture
def start_module() -> Callable[[list[str], Path, int], Process]:
    """Starts a module of this repository as a server."""
    return lambda arguments, log, port: Process(arguments, {}, log, port)


@pytest.fixture
def redis(tmp_path: Path, free_port: int) -> Iterator[RedisProcess]:
    """A Redis of the test's own."""
    with redis_server.running(tmp_path, free_port) as server:
        yield server


@pytest.fixture
def free_port() -> int:
    """A port nobody listens on."""
    return a_free_port()
