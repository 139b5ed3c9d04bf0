"""The PostgreSQL servers, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from agentos_operator.settings.network import PodPeer
from agentos_operator.settings.section import Name, Port, Section


class ServerNetwork(Section):
    """Where a PostgreSQL server stands for NetworkPolicies: in the cluster by its pods, else by address.

    Network plugins differ in whether an ipBlock matches pods, so the two cannot replace each other.
    """

    namespace: Name | None = None
    """Namespace of the server's pods, when it runs in this cluster."""
    pod_labels: Mapping[str, str] = {}
    """Labels of the server's pods."""
    cidrs: tuple[str, ...] = ()
    """The server's address ranges, when it runs elsewhere."""

    @model_validator(mode="after")
    def _has_a_destination(self) -> ServerNetwork:
        if self.namespace is None and not self.cidrs:
            raise ValueError("give namespace (a server in this cluster) or cidrs (a server outside)")
        return self

    @property
    def pods(self) -> PodPeer | None:
        """The server's pods, when it runs in this cluster."""
        return PodPeer(namespace=self.namespace, pod_labels=self.pod_labels) if self.namespace else None


class DatabaseServer(Section):
    """One PostgreSQL server that Workspaces can name in ``spec.database.server``."""

    name: Name
    """Name used by Workspaces."""
    host: Name
    """Host name or address, reachable from the operator and from the workspaces."""
    port: Port = 5432
    """TCP port."""
    database: Name = "agentos"
    """Database that holds the workspaces' schemas; owned by the operator's role."""
    ssl_mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    """libpq's sslmode (https://www.postgresql.org/docs/current/libpq-ssl.html)."""
    ca_file: Path | None = None
    """Certificate authorities in PEM that sslMode verify-ca and verify-full trust; pods get a copy."""
    network: ServerNetwork | None = None
    """How NetworkPolicies name the server; None has it found out from ``host``."""

    @model_validator(mode="after")
    def _can_verify(self) -> DatabaseServer:
        if self.ssl_mode in ("verify-ca", "verify-full") and self.ca_file is None:
            raise ValueError(f"sslMode {self.ssl_mode} needs caFile: the certificate authorities to trust")
        return self


class DatabaseSettings(Section):
    """The PostgreSQL servers."""

    servers: tuple[DatabaseServer, ...]
    """All servers; a Workspace that names none uses the one called ``default``."""
    credentials_dir: Path = Path("/etc/agentos-operator/servers")
    """Holds ``<server>/username`` and ``<server>/password``, read at every connect: they can change."""

    @model_validator(mode="after")
    def _has_distinct_names(self) -> DatabaseSettings:
        names = [server.name for server in self.servers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"servers must differ in name; more than one is called {', '.join(twice)}")
        return self
