"""The operator's configuration, read once at startup by ``__main__`` and passed to whoever needs it.

The file is YAML with the same names in camelCase, written by the chart. An unknown, missing or wrong field is a
SettingsError that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from agentos_operator.errors import SettingsError
from agentos_operator.image_names import check_prefix

Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(min_length=1, max_length=253)]


class _Section(BaseModel):
    """One frozen part of the configuration; a field that nobody knows is an error, not ignored."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )


class PodPeer(_Section):
    """Pods that a NetworkPolicy names: those of one namespace, narrowed by labels."""

    namespace: Name
    """Name of the pods' Namespace."""
    pod_labels: Mapping[str, str] = {}
    """Labels they carry; empty for all pods of the namespace."""


class ServerNetwork(_Section):
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


class DatabaseServer(_Section):
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


class DatabaseSettings(_Section):
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


class Gateway(_Section):
    """The Gateway that HTTPRoutes attach to."""

    name: Name = "agentos"
    """Name of the Gateway."""
    namespace: Name = "agentos-gateway"
    """Its Namespace."""


class IngressSettings(_Section):
    """What Ingresses say when ``routing.mode`` is Ingress."""

    class_name: str | None = None
    """The IngressClass; None for the cluster's default."""
    annotations: Mapping[str, str] = {}
    """What the controller and cert-manager are told about each Ingress; only an administrator can."""
    certificate: Literal["None", "Controller", "Secret", "PerHost"] = "None"
    """Whence TLS certificates come: none, the controller's default, ``secret_name`` in every workspace's Namespace, or
    one Secret a host."""
    secret_name: str = ""
    """Name of the Secret with a certificate for all generated hosts."""

    @model_validator(mode="after")
    def _names_its_secret(self) -> IngressSettings:
        if (self.certificate == "Secret") != bool(self.secret_name):
            raise ValueError("secretName names the Secret of certificate: Secret; give both or neither")
        return self


class MainApi(_Section):
    """The platform's main API, which answers below ``/api`` of every deployment's host."""

    namespace: Name
    """Namespace of its Service."""
    service: Name
    """Name of its Service."""
    port: Port = 80
    """Port of its Service."""


class Routing(_Section):
    """How callers outside the cluster reach the runtimes."""

    mode: Literal["Gateway", "Ingress"] = "Gateway"
    """Gateway writes HTTPRoutes, Ingress writes Ingresses."""
    addressing: Literal["Host", "Path"] = "Host"
    """Host gives every deployment a host below ``base_domain``, Path a path of ``base_domain`` itself."""
    base_domain: Name
    """Domain below which, or on which, every deployment gets its address."""
    scheme: Literal["http", "https"] = "https"
    """Scheme of the URLs shown in status."""
    port: Port | None = None
    """Port of the URLs shown in status; None for the scheme's own."""
    gateway: Gateway = Gateway()
    """The Gateway, in mode Gateway."""
    ingress: IngressSettings = IngressSettings()
    """What Ingresses say, in mode Ingress."""
    api: MainApi | None = None
    """The platform's main API; None leaves ``/api`` to the runtimes."""
    source_namespaces: tuple[Name, ...] = ()
    """Namespaces of the pods that forward requests; only they may call a runtime. Empty for the Gateway's proxies."""

    @model_validator(mode="after")
    def _can_be_served(self) -> Routing:
        if self.mode == "Ingress" and self.addressing == "Path" and self.api is not None:
            raise ValueError("api: on a host that all share, one Ingress for /api serves all; the chart writes it")
        if self.mode == "Ingress" and self.ingress.certificate != "None" and self.scheme == "http":
            raise ValueError("scheme: ingress.certificate is set, so callers come by https; set scheme to https")
        if self.mode == "Ingress" and not self.source_namespaces:
            raise ValueError("sourceNamespaces: name the namespaces of the Ingress controller's pods")
        return self

    def url(self, host: str) -> str:
        """Address of ``host`` as callers write it."""
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")


class ServiceName(_Section):
    """A Service of the cluster."""

    namespace: Name
    """Its Namespace."""
    name: Name
    """Its name."""


class DnsSettings(_Section):
    """Where pods ask for names: what is given here, or where ``service`` leads."""

    service: ServiceName = ServiceName(namespace="kube-system", name="kube-dns")
    """The Service in front of the cluster's DNS pods."""
    namespace: Name | None = None
    """Namespace of the DNS pods."""
    pod_labels: Mapping[str, str] = {}
    """Labels of the DNS pods; empty for all pods of ``namespace``."""
    cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    """Addresses of resolvers that are no pods, such as a cache on each node."""
    port: Port = 53
    """Port on which they listen."""

    @model_validator(mode="after")
    def _narrows_a_namespace(self) -> DnsSettings:
        if self.pod_labels and self.namespace is None:
            raise ValueError("podLabels narrows a namespace: give namespace too")
        return self

    @property
    def is_given(self) -> bool:
        """Whether nothing is left to find out."""
        return self.namespace is not None or bool(self.cidrs)


class NetworkSettings(_Section):
    """What NetworkPolicies must know about the cluster."""

    dns: DnsSettings = DnsSettings()
    """The cluster's DNS."""
    closed_cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    """Public addresses that workspaces do not reach all the same, such as those of the API server."""
    metrics: PodPeer | None = None
    """The pods that may read the runtimes' metrics; None for nobody."""


class QuotaResources(_Section):
    """CPU and memory as Kubernetes quantities."""

    cpu: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]{1,3})?m?$")]
    """Cores (4) or thousandths (500m)."""
    memory: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?$")]
    """Bytes (8Gi)."""


class ContainerDefaults(_Section):
    """What a container gets that says nothing about its resources."""

    requests: QuotaResources
    """What the scheduler reserves."""
    limits: QuotaResources
    """What it may use at most."""


class QuotaProfile(_Section):
    """What a workspace may use that names this profile."""

    pods: Annotated[int, Field(ge=1)]
    """Number of pods."""
    requests: QuotaResources
    """Sum of the pods' requests."""
    limits: QuotaResources
    """Sum of the pods' limits."""
    container: ContainerDefaults
    """Defaults of one container."""


class QuotaSettings(_Section):
    """How large workspaces may be."""

    profiles: Mapping[Name, QuotaProfile] = {}
    """By the name that Workspaces use; one that names none uses ``standard``."""


class VerificationTarget(_Section):
    """An address inside the cluster that no tenant may reach."""

    name: Name
    """What stands there, for messages."""
    host: Name
    """Address, or name of a Service as ``<name>.<namespace>.svc``."""
    port: Port
    """TCP port."""


class Verification(_Section):
    """How the isolation of workspaces is tried out."""

    enabled: bool = True
    """Whether it is at all."""
    interval_hours: Annotated[float, Field(gt=0, le=24 * 365)] = 6.0
    """Hours, give or take a tenth, between two runs of one workspace when nothing changes."""
    max_concurrent: Annotated[int, Field(ge=1, le=64)] = 2
    """Probes at the same time in the whole cluster."""
    delay_seconds: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """Seconds between a change and the run after it, which leaves a new workspace's pods the first turn."""
    targets: tuple[VerificationTarget, ...] = ()
    """What is tried besides what the operator finds by itself."""


class IsolationSettings(_Section):
    """What isolates the workspaces."""

    verification: Verification = Verification()
    """How that is tried out."""


class ServiceAccount(_Section):
    """The operator's own ServiceAccount, which it gives rights in every workspace's Namespace."""

    name: Name
    """Name of the ServiceAccount."""
    namespace: Name
    """Its Namespace."""


class MemberClusterRoles(_Section):
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


class LeaderElection(_Section):
    """The Lease by which one replica of the operator writes and the others wait."""

    name: Name = "agentos-operator"
    """Name of the Lease, in the operator's own Namespace."""


class Settings(_Section):
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
