"""The configuration as a whole, and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, Field, ValidationError

from agentos_operator.errors import SettingsError
from agentos_operator.image_names import check_prefix
from agentos_operator.settings.database import DatabaseServer, DatabaseSettings
from agentos_operator.settings.isolation import IsolationSettings
from agentos_operator.settings.network import NetworkSettings
from agentos_operator.settings.quota import QuotaSettings
from agentos_operator.settings.routing import Routing
from agentos_operator.settings.section import Name, Section


class ServiceAccount(Section):
    """The operator's own ServiceAccount, which it gives rights in every workspace's Namespace."""

    name: Name
    """Name of the ServiceAccount."""
    namespace: Name
    """Its Namespace."""


class MemberClusterRoles(Section):
    """ClusterRoles that ``spec.members`` of a Workspace hands out."""

    viewer: Name = "agentos-member-viewer"
    """Looks on."""
    editor: Name = "agentos-member-editor"
    """Writes AgentDeployments and the Secrets that they name."""
    admin: Name = "agentos-member-admin"
    """Also signs tokens and restarts runtimes."""

    def name_of(self, role: str) -> str:
        """The ClusterRole of ``role`` (Viewer, Editor or Admin)."""
        return {"Viewer": self.viewer, "Editor": self.editor, "Admin": self.admin}[role]


class LeaderElection(Section):
    """The Lease by which one replica of the operator writes and the others wait."""

    name: Name = "agentos-operator"
    """Name of the Lease, in the operator's own Namespace."""


class Settings(Section):
    """Everything that an administrator decides about the operator."""

    runtime_image: Name
    """Image of AgentDeployments that name none."""
    allowed_images: tuple[Annotated[str, AfterValidator(check_prefix)], ...] = ()
    """Where images may come from that AgentDeployments name, beside ``runtime_image`` itself; ``*`` for anywhere."""
    tenant_cluster_role: Name = "agentos-operator-tenant"
    """ClusterRole that the operator binds to itself in every workspace's Namespace."""
    member_cluster_roles: MemberClusterRoles = MemberClusterRoles()
    """ClusterRoles that ``spec.members`` of a Workspace hands out."""
    operator_service_account: ServiceAccount
    """Who the operator is."""
    routing: Routing
    """How callers reach the runtimes."""
    database: DatabaseSettings
    """Where workspaces store their data."""
    network: NetworkSettings = NetworkSettings()
    """What NetworkPolicies must know about the cluster."""
    quota: QuotaSettings = QuotaSettings()
    """How large workspaces may be."""
    isolation: IsolationSettings = IsolationSettings()
    """How the isolation of workspaces is tried out."""
    leader_election: LeaderElection = LeaderElection()
    """Who writes when there are several replicas."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """Reconciliations in flight at the same time."""
    resync_seconds: Annotated[float, Field(ge=1)] = 600.0
    """Longest time, give or take a fifth, until a difference is repaired that no watch reports."""

    def server(self, name: str) -> DatabaseServer | None:
        """The server called ``name``, or None."""
        return next((server for server in self.database.servers if server.name == name), None)


def load(path: Path) -> Settings:
    """Settings from the YAML file ``path``.

    Raises:
        SettingsError: the file cannot be read, or a field is unknown, missing or wrong.
    """
    try:
        return Settings.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"the operator's configuration {path} cannot be read: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{_path(fault['loc'])}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(f"the operator's configuration {path} is wrong: {faults}") from error


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "the file"
