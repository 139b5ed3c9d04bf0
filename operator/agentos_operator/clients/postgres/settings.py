"""Where a PostgreSQL server is and how the operator logs in; built from the operator's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from agentos_operator.clients.postgres.errors import DatabaseForbidden
from agentos_operator.naming import DATABASE_CA_FILE


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One server and the database on it that workspaces live in."""

    name: str
    """Name in the operator's configuration; the only thing that error texts call the server."""
    host: str
    """Host name or address, as the tenants' pods use it too."""
    port: int
    """TCP port of PostgreSQL itself. A pooler in transaction mode does not keep the settings of a session."""
    database: str
    """Database that holds the workspaces' schemas; only for this purpose, owned by the operator's role."""
    sslmode: str
    """libpq's sslmode (https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS)."""
    credentials_dir: Path
    """Directory of a mounted Secret with the files ``username`` and ``password``.

    Both are read at every connect, so that a rotated password is used without a restart.
    """
    ca_file: Path | None = None
    """Certificate authorities for sslmode verify-ca and verify-full; None for libpq's own place."""
    max_connections: int = 4
    """Connections that the operator holds at most; more would queue for locks on shared catalogs."""
    connect_timeout: int = 5
    """Seconds until a connection counts as failed."""
    statement_timeout: int = 30
    """Seconds until a statement is given up."""
    lock_timeout: int = 5
    """Seconds that a statement waits for a lock; also the longest time that tenants queue behind ours."""

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


def admin_credentials(settings: ServerSettings) -> tuple[str, str]:
    """User name and password of the operator's role, as they are now."""
    return _read(settings, "username"), _read(settings, "password")


def certificate_authorities(settings: ServerSettings) -> str | None:
    """The certificates that the server is verified by, in PEM; None without any, or when they cannot be read.

    A file that is missing is told by the operator's own connection, which needs it too.
    """
    try:
        return settings.ca_file.read_text(encoding="ascii") if settings.ca_file else None
    except (OSError, UnicodeDecodeError):
        return None


def login_url(settings: ServerSettings, role: str, password: str) -> str:
    """Connection URI for ``role``, as the workspace's pods use it
    (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS)."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    user = f"{quote(role, safe='')}:{quote(password, safe='')}"
    authorities = {"sslrootcert": str(DATABASE_CA_FILE)} if settings.ca_file else {}
    query = urlencode({"sslmode": settings.sslmode} | authorities, safe="/")
    return f"postgresql://{user}@{host}:{settings.port}/{quote(settings.database, safe='')}?{query}"


def _read(settings: ServerSettings, key: str) -> str:
    path = settings.credentials_dir / key
    try:
        text = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text:
        raise DatabaseForbidden(
            f"PostgreSQL server {settings.name}: the operator's credentials are missing; "
            f"the Secret mounted at {settings.credentials_dir} must have the keys username and password"
        )
    return text
