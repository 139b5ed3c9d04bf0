"""A Workspace, parsed once; nothing below the reconciler sees the raw object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentos_operator.naming import namespace_of
from agentos_operator.resources.access import Access, parse_access
from agentos_operator.resources.common import Meta, Owner, parse_meta, quantities
from agentos_operator.resources.rotation import RotationSpec, parse_rotation


@dataclass(frozen=True)
class DatabaseSpec:
    """``spec.database``."""

    server: str
    isolation: str
    """Schema or Database."""
    restore_from: str | None
    """Retained schema or database to take over."""
    connection_limit: int
    statement_timeout_ms: int


@dataclass(frozen=True)
class QuotaSpec:
    """``spec.quota``: a profile, and what replaces its numbers; quantities as Kubernetes writes them."""

    profile: str
    pods: int | None
    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True)
class EgressPort:
    """A port of pods or hosts that may be called."""

    port: int
    protocol: str


@dataclass(frozen=True)
class EgressRule:
    """One entry of ``spec.network.egress``: exactly one of ``cidr`` and ``namespace`` is set."""

    cidr: str | None
    namespace: str | None
    pod_labels: Mapping[str, str]
    ports: tuple[EgressPort, ...]


MEMBER_ROLES = ("Viewer", "Editor", "Admin")
"""Every role that a member can have."""


@dataclass(frozen=True, order=True)
class Member:
    """One entry of ``spec.members``."""

    role: str
    kind: str
    """User or Group, as the cluster's authentication tells them."""
    name: str


@dataclass(frozen=True)
class Workspace:
    """One customer's isolated place."""

    meta: Meta
    suspended: bool
    """Whether all runtimes are to be stopped."""
    prevent_deletion: bool
    """Whether a deletion is refused, or held back once it was asked for."""
    deletion_policy: str
    adopt_namespace: bool
    database: DatabaseSpec
    rotation: RotationSpec
    access: Access
    """Who may sign tokens for it."""
    quota: QuotaSpec
    runtime_class: str | None
    """``spec.runtimeClassName``: what its containers run on."""
    egress: tuple[EgressRule, ...]
    members: tuple[Member, ...]
    hosts: tuple[str, ...]
    """``spec.routing.hosts``: hosts that its deployments may have for their own."""

    @property
    def name(self) -> str:
        """``metadata.name``."""
        return self.meta.name

    @property
    def namespace(self) -> str:
        """Name of its Namespace."""
        return namespace_of(self.meta.name)

    @property
    def owner(self) -> Owner:
        """The Workspace as the owner of its children."""
        return Owner("Workspace", self.meta.name, self.meta.uid)


def parse_workspace(body: Mapping[str, Any]) -> Workspace:
    """Read a Workspace as the API server stores it: the schema has checked it and filled in the defaults."""
    spec = body["spec"]
    return Workspace(
        meta=parse_meta(body["metadata"]),
        suspended=spec["suspended"],
        prevent_deletion=spec["preventDeletion"],
        deletion_policy=spec["deletionPolicy"],
        adopt_namespace=spec["namespace"]["adopt"],
        database=DatabaseSpec(
            server=spec["database"]["server"],
            isolation=spec["database"]["isolation"],
            restore_from=spec["database"].get("restoreFrom"),
            connection_limit=spec["database"]["connectionLimit"],
            statement_timeout_ms=_milliseconds(spec["database"]["statementTimeout"]),
        ),
        rotation=parse_rotation(body),
        access=parse_access(spec),
        quota=_parse_quota(spec["quota"]),
        runtime_class=spec.get("runtimeClassName"),
        egress=tuple(_parse_egress(rule) for rule in spec["network"]["egress"]),
        members=tuple(Member(each["role"], each["kind"], each["name"]) for each in spec.get("members", ())),
        hosts=tuple(spec.get("routing", {}).get("hosts", ())),
    )


def _milliseconds(duration: str) -> int:
    """``500ms``, ``30s`` or ``5min`` in milliseconds; the schema admits nothing else."""
    number = duration.rstrip("mins")
    return int(number) * {"ms": 1, "s": 1_000, "min": 60_000}[duration.removeprefix(number)]


def _parse_quota(quota: Mapping[str, Any]) -> QuotaSpec:
    return QuotaSpec(
        profile=quota["profile"],
        pods=quota.get("pods"),
        requests=quantities(quota.get("requests", {})),
        limits=quantities(quota.get("limits", {})),
    )


def _parse_egress(rule: Mapping[str, Any]) -> EgressRule:
    return EgressRule(
        cidr=rule.get("cidr"),
        namespace=rule.get("namespace"),
        pod_labels=rule.get("podLabels", {}),
        ports=tuple(EgressPort(port["port"], port["protocol"]) for port in rule["ports"]),
    )
