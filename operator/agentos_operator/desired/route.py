"""The way from the gateway to a deployment: an HTTPRoute, or an Ingress where the administrator chose so.

Hosts are generated or granted, never a tenant's free choice: on a shared listener the older route wins a host name
(https://gateway-api.sigs.k8s.io/api-types/httproute/), so a free choice would let one tenant take another's. Both
forms match paths by whole segments, so ``/acme/support`` never matches ``/acme/supportx``.
"""

from __future__ import annotations

from agentos_operator.desired.address import Address
from agentos_operator.desired.common import child
from agentos_operator.desired.ingress import fill_ingress
from agentos_operator.desired.service import SERVICE_PORT
from agentos_operator.naming import deployment_labels
from agentos_operator.resources.agent_deployment import AgentDeployment
from agentos_operator.resources.common import Object
from agentos_operator.settings import MainApi, Routing

API_PATH = "/api"
"""Where the platform's main API answers; matched by whole segments, so ``/apiary`` is a runtime's."""


def build_route(deployment: AgentDeployment, workspace: str, address: Address, routing: Routing) -> Object:
    """The route in the form that ``routing.mode`` names."""
    if routing.mode == "Gateway":
        route = _head(deployment, workspace, "gateway.networking.k8s.io/v1", "HTTPRoute")
        route["spec"] = _http_route(deployment, address, routing)
        return route
    ingress = _head(deployment, workspace, "networking.k8s.io/v1", "Ingress")
    backend = {"name": deployment.name, "port": {"name": "http"}}
    return fill_ingress(ingress, deployment.name, address, backend, routing)


def _head(deployment: AgentDeployment, workspace: str, api_version: str, kind: str) -> Object:
    labels = deployment_labels(deployment.name, workspace)
    return child(api_version, kind, deployment.name, deployment.namespace, labels, deployment.owner)


def _http_route(deployment: AgentDeployment, address: Address, routing: Routing) -> Object:
    service = {"group": "", "kind": "Service", "name": deployment.name, "port": SERVICE_PORT, "weight": 1}
    gateway = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": routing.gateway.name,
        "namespace": routing.gateway.namespace,
    }
    return {
        "parentRefs": [gateway],
        "hostnames": list(address.hosts),
        "rules": [_http_rule(address.prefix or "/", service), *_api_rules(routing.api)],
    }


def _api_rules(api: MainApi | None) -> list[Object]:
    """The rule for the platform's main API; a longer path goes before ``/`` by the Gateway API's own order."""
    if api is None:
        return []
    service = {"group": "", "kind": "Service", "name": api.service, "namespace": api.namespace, "port": api.port}
    return [_http_rule(API_PATH, {**service, "weight": 1})]


def _http_rule(prefix: str, service: Object) -> Object:
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
        "backendRefs": [service],
        # 0s switches the limit off (GEP-1742): a stream lasts as long as its run.
        "timeouts": {"request": "0s"},
    }
