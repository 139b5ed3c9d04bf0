"""The way from the gateway to a deployment: an HTTPRoute, or an Ingress where the administrator chose so.

The host is generated, never taken from a tenant: on a shared listener the older route wins a host name
(https://gateway-api.sigs.k8s.io/api-types/httproute/), so a free choice would let one tenant take another's.
"""

from __future__ import annotations

from agentos_operator.desired.common import child
from agentos_operator.desired.service import SERVICE_PORT
from agentos_operator.naming import deployment_labels, host_of
from agentos_operator.resources.agent_deployment import AgentDeployment
from agentos_operator.resources.common import Object
from agentos_operator.settings import Routing


def build_route(deployment: AgentDeployment, workspace: str, routing: Routing) -> Object:
    """The route in the form that ``routing.mode`` names."""
    host = host_of(deployment.name, workspace, routing.base_domain)
    build = _http_route if routing.mode == "Gateway" else _ingress
    return build(deployment, workspace, host, routing)


def _http_route(deployment: AgentDeployment, workspace: str, host: str, routing: Routing) -> Object:
    labels = deployment_labels(deployment.name, workspace)
    route = child(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        deployment.name,
        deployment.namespace,
        labels,
        deployment.owner,
    )
    route["spec"] = {
        "parentRefs": [
            {
                "group": "gateway.networking.k8s.io",
                "kind": "Gateway",
                "name": routing.gateway.name,
                "namespace": routing.gateway.namespace,
            }
        ],
        "hostnames": [host],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [
                    {
                        "group": "",
                        "kind": "Service",
                        "name": deployment.name,
                        "port": SERVICE_PORT,
                        "weight": 1,
                    }
                ],
                # 0s switches the limit off (GEP-1742): a stream lasts as long as its run.
                "timeouts": {"request": "0s"},
            }
        ],
    }
    return route


def _ingress(deployment: AgentDeployment, workspace: str, host: str, routing: Routing) -> Object:
    labels = deployment_labels(deployment.name, workspace)
    ingress = child("networking.k8s.io/v1", "Ingress", deployment.name, deployment.namespace, labels, deployment.owner)
    backend = {"service": {"name": deployment.name, "port": {"name": "http"}}}
    ingress["spec"] = {
        "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    }
    if routing.ingress.class_name is not None:
        ingress["spec"]["ingressClassName"] = routing.ingress.class_name
    return ingress
