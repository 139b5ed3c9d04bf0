"""How callers outside the cluster reach the runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import model_validator

from agentos_operator.settings.section import Name, Port, Section


class Gateway(Section):
    """The Gateway that HTTPRoutes attach to."""

    name: Name = "agentos"
    """Name of the Gateway."""
    namespace: Name = "agentos-gateway"
    """Its Namespace."""


class IngressSettings(Section):
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


class MainApi(Section):
    """The platform's main API, which answers below ``/api`` of every deployment's host."""

    namespace: Name
    """Namespace of its Service."""
    service: Name
    """Name of its Service."""
    port: Port = 80
    """Port of its Service."""


class Routing(Section):
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
