"""The kinds of objects that the operator reads and writes, and where the API server has them."""

from __future__ import annotations

from dataclasses import dataclass

from agentos_operator.naming import API_VERSION


@dataclass(frozen=True)
class Kind:
    """One kind of object."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """Version within the group."""
        return self.api_version.rpartition("/")[2]

    def path(self, name: str | None, namespace: str | None) -> str:
        """URL path of the object, or of the collection when ``name`` is None."""
        root = "/api/" if "/" not in self.api_version else "/apis/"
        parts = [root + self.api_version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        return "/".join([*parts, self.plural, *([name] if name else [])])


WORKSPACE = Kind(API_VERSION, "Workspace", "workspaces", namespaced=False)
AGENT_DEPLOYMENT = Kind(API_VERSION, "AgentDeployment", "agentdeployments")
NAMESPACE = Kind("v1", "Namespace", "namespaces", namespaced=False)
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
SECRET = Kind("v1", "Secret", "secrets")
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
RESOURCE_QUOTA = Kind("v1", "ResourceQuota", "resourcequotas")
LIMIT_RANGE = Kind("v1", "LimitRange", "limitranges")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
CONTROLLER_REVISION = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
ROLE_BINDING = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
REFERENCE_GRANT = Kind("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "referencegrants")
EVENT = Kind("events.k8s.io/v1", "Event", "events")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")

KINDS = {
    kind.kind: kind
    for kind in (
        WORKSPACE,
        AGENT_DEPLOYMENT,
        NAMESPACE,
        CONFIG_MAP,
        SECRET,
        POD,
        SERVICE,
        RESOURCE_QUOTA,
        LIMIT_RANGE,
        DEPLOYMENT,
        CONTROLLER_REVISION,
        DISRUPTION_BUDGET,
        AUTOSCALER,
        NETWORK_POLICY,
        INGRESS,
        ROLE_BINDING,
        HTTP_ROUTE,
        REFERENCE_GRANT,
        LEASE,
        EVENT,
    )
}

WATCHED = (
    NAMESPACE,
    SERVICE,
    RESOURCE_QUOTA,
    LIMIT_RANGE,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    AUTOSCALER,
    NETWORK_POLICY,
    INGRESS,
    ROLE_BINDING,
    HTTP_ROUTE,
)
"""Children watched for drift. Secrets and ConfigMaps are not: to watch them is to read them, in every namespace of the
cluster (https://kubernetes.io/docs/concepts/security/rbac-good-practices/#listing-secrets)."""
