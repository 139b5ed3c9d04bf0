"""A PostgreSQL of one's own on loopback, without a cluster: the integration tests and the bench start one.

Version 17 runs from the cluster's image by chroot, so that what is tested and measured is what pods talk to; 15 is
Debian's package. Data lies in a temporary folder that `discard` removes.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from local import debian, images
from local.steps import StepFailedError, tail

HOST = "127.0.0.1"
SUPERUSER = "postgres"
PASSWORD = "planted-superuser-password"
_ADVICE = "Run `python -m local.images agentos-postgres`, and see that this runs as root."
_DEBIAN = Path("/usr/lib/postgresql/15/bin")
_BASE = {
    "listen_addresses": HOST,
    "fsync": "off",
    "max_prepared_transactions": "4",
    "password_encryption": "scram-sha-256",
    "unix_socket_directories": "",
}


@dataclass
class PostgresProcess:
    """One server with a superuser and an empty cluster of databases."""

    version: int
    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    """Server parameters besides those that every one has here."""
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
        if done.returncode:
            raise StepFailedError(f"initdb failed: {done.stderr.decode()[-500:]}", _ADVICE)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [f"--{name}={value}" for name, value in {**_BASE, **self.settings}.items()]
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
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    why = f"PostgreSQL does not answer:\n{tail(self.folder / 'log')}"
                    raise StepFailedError(why, _ADVICE) from error
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Fast shutdown: sessions are cut off."""
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
            self.process = None

    def discard(self) -> None:
        """Stop the server and remove its data."""
        self.stop()
        shutil.rmtree(self.folder)

    def _program(self, name: str) -> list[str]:
        if self.version == 15:
            return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", str(_DEBIAN / name)]
        root = images.postgres_rootfs()
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


def _install() -> None:
    """Debian's package, without the database cluster that it would make and start on the usual port."""
    alone = Path("/etc/postgresql-common/createcluster.d/agentos.conf")
    if not (_DEBIAN / "postgres").exists():
        alone.parent.mkdir(parents=True, exist_ok=True)
        alone.write_text("create_main_cluster = false\n")
    try:
        debian.ensure(debian.POSTGRES)
    finally:
        alone.unlink(missing_ok=True)


def use_tls(server: PostgresProcess, certificate: Path, key: Path) -> None:
    """Restart `server` with TLS."""
    for source, name in ((certificate, "server.crt"), (key, "server.key")):
        copied = server.folder / name
        shutil.copyfile(source, copied)
        copied.chmod(0o600)
        shutil.chown(copied, *_account(server.version))
    files = {"ssl_cert_file": server._inside("server.crt"), "ssl_key_file": server._inside("server.key")}
    server.settings = {**server.settings, "ssl": "on", **files}
    server.stop()
    server.start()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def start(version: int = 17, settings: Mapping[str, str] | None = None) -> PostgresProcess:
    """A running server of this major version in a temporary folder."""
    if version == 15:
        _install()
    folder = Path(tempfile.mkdtemp(prefix="agentos-postgres-"))
    folder.chmod(0o755)
    (folder / "data").mkdir(mode=0o700)
    shutil.chown(folder / "data", *_account(version))
    server = PostgresProcess(version, folder, free_port(), settings or {})
    try:
        server.initialise()
        server.start()
    except BaseException:
        server.discard()
        raise
    return server


@contextmanager
def running(version: int = 17, settings: Mapping[str, str] | None = None) -> Iterator[PostgresProcess]:
    """A server for the length of a `with`."""
    server = start(version, settings)
    try:
        yield server
    finally:
        server.discard()
