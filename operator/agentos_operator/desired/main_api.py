"""The platform's main API below ``/api`` of every deployment's host, where ``routing.api`` names its Service.

With a Gateway the deployment's HTTPRoute points at the Service itself, which a ReferenceGrant in the API's Namespace
permits (https://gateway-api.sigs.k8s.io/api-types/referencegrant/): one for each workspace, as a grant takes exact
Namespaces and at most 16. An Ingress reaches Services of its own Namespace alone, so each deployment gets a second one
there. Both are owned by the Workspace, because an owner in another Namespace would have them collected at once.
"""

from __future__ import annotations

from agentos_operator.desired.address import Address
from agentos_operator.desired.common import child
from agentos_operator.desired.ingress import fill_ingress
from agentos_operator.desired.route import API_PATH
from agentos_operator.naming import deployment_labels, namespace_of, workspace_labels
from agentos_operator.resources.common import Object, Owner
from agentos_operator.settings import MainApi, Routing


def build_reference_grant(workspace: Owner, api: MainApi) -> Object:
    """Lets HTTPRoutes of the workspace's Namespace point at the API's Service, and at nothing else there."""
    name = namespace_of(workspace.name)
    labels = workspace_labels(workspace.name)
    grant = child("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", name, api.namespace, labels, workspace)
    grant["spec"] = {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": name}],
        "to": [{"group": "", "kind": "Service", "name": api.service}],
    }
    return grant


def api_ingress_name(deployment: str, workspace: str) -> str:
    """Name of a deployment's Ingress in the API's Namespace; names hold no ``--``, so no two are alike."""
    return f"{workspace}--{deployment}"


def build_api_ingress(deployment: str, workspace: Owner, address: Address, routing: Routing, api: MainApi) -> Object:
    """The Ingress that sends ``/api`` of the deployment's hosts to the API's Service."""
    name = api_ingress_name(deployment, workspace.name)
    labels = deployment_labels(deployment, workspace.name)
    ingress = child("networking.k8s.io/v1", "Ingress", name, api.namespace, labels, workspace)
    backend = {"name": api.service, "port": {"number": api.port}}
    return fill_ingress(ingress, deployment, Address(address.hosts, API_PATH), backend, routing)
