"""A real PostgreSQL and a real API server for the integration tests, away from whatever ``make up`` started.

Each is started when a test first asks for it, once per session.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from local import controlplane, toolchain
from local.api import Api
from tests.integration.apiserver import ApiServer

HOST = "127.0.0.1"
SUPERUSER = "postgres"
PASSWORD = "planted-superuser-password"
_DEBIAN = Path("/usr/lib/postgresql/15/bin")
_SETTINGS = {
    "listen_addresses": HOST,
    "fsync": "off",
    "log_statement": "all",
    "max_prepared_transactions": "4",
    "password_encryption": "scram-sha-256",
    "unix_socket_directories": "",
}
"""The log holds every statement, so that a test can show that no password is among them."""


@dataclass
class PostgresProcess:
    """One server with a superuser and an empty cluster of databases."""

    version: int
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Everything that the server has logged."""
        return (self.folder / "log").read_text(errors="replace")

    def connect(
        self, database: str = "postgres", user: str = SUPERUSER, password: str = PASSWORD
    ) -> psycopg.Connection:
        """A connection that commits each statement, as the superuser unless told otherwise."""
        return psycopg.connect(
            host=HOST, port=self.port, dbname=database, user=user, password=password, autocommit=True
        )

    def run(self, statement: sql.SQL | sql.Composed, database: str = "postgres") -> None:
        """One statement as the superuser."""
        with self.connect(database) as connection:
            connection.execute(statement)

    def initialise(self) -> None:
        """Make the cluster of databases."""
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        shutil.chown(secret, *_account(self.version))
        options = ["--auth=scram-sha-256", f"--username={SUPERUSER}", "--no-sync", "--locale=C.UTF-8"]
        data, pwfile = self._inside("data"), self._inside("secret")
        done = subprocess.run(
            [*self._program("initdb"), f"--pgdata={data}", f"--pwfile={pwfile}", *options],
            capture_output=True,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._program("postgres"), "-D", self._inside("data"), f"--port={self.port}", *settings],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Fast shutdown: sessions are cut off."""
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
            self.process = None

    def _program(self, name: str) -> list[str]:
        if self.version == 15:
            return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", str(_DEBIAN / name)]
        from local.images import postgres_rootfs

        root = postgres_rootfs()
        uid, gid = _account(self.version)
        script = f'mount --bind "$1" "$2/tmp" && shift && exec chroot --userspec={uid}:{gid} "$@"'
        return [
            *("unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh", str(self.folder)),
            *(str(root), f"/usr/lib/postgresql/{self.version}/bin/{name}"),
        ]

    def _inside(self, name: str) -> str:
        return str(self.folder / name) if self.version == 15 else f"/tmp/{name}"


def _account(version: int) -> tuple[int, int]:
    if version == 15:
        folder = Path("~postgres").expanduser().stat()
        return folder.st_uid, folder.st_gid
    return 999, 999


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def start_postgres(version: int) -> PostgresProcess:
    """A running server of this major version in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="agentos-postgres-"))
    folder.chmod(0o755)
    (folder / "data").mkdir(mode=0o700)
    shutil.chown(folder / "data", *_account(version))
    server = PostgresProcess(version, folder, _free_port())
    try:
        server.initialise()
        server.start()
    except BaseException:
        discard(server)
        raise
    return server


def discard(server: PostgresProcess) -> None:
    """Stop the server and remove its data."""
    server.stop()
    shutil.rmtree(server.folder)


@pytest.fixture(scope="session")
def postgres_of() -> Iterator[Callable[[int], PostgresProcess]]:
    """Servers by major version, each started when a test first asks for it."""
    running: dict[int, PostgresProcess] = {}

    def of(version: int) -> PostgresProcess:
        if version not in running:
            running[version] = start_postgres(version)
        return running[version]

    yield of
    for server in running.values():
        discard(server)


@pytest.fixture(scope="session")
def postgres(postgres_of: Callable[[int], PostgresProcess]) -> PostgresProcess:
    """PostgreSQL of the version that the local cluster has."""
    return postgres_of(17)


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """An API server that has our CRDs, without nodes; tests share it, so each makes names of its own."""
    binary = toolchain.ensure(["kubectl"])["kubectl"]
    with controlplane.running() as plane:
        server = ApiServer(plane, binary, Api(plane.kubeconfig("admin")))
        server.install_crds()
        yield server
