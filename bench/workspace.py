"""A whole workspace as a user applies it, and the plain pod it is compared with: documents and their API paths."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from bench.agent import AGENT, API_VERSION, agent_deployment
from bench.cluster import MODEL_NAMESPACE, MODEL_URL, PLAIN_NAMESPACE

Object = dict[str, Any]
PORT = 7777
GROUP_PATH = f"/apis/{API_VERSION}"
DATABASE_SECRET = "agentos-postgres-admin"
DATABASE_HOST = "agentos-postgres.agentos-system.svc.cluster.local"


def fresh_name() -> str:
    """A name that was never used in this cluster."""
    return f"bench-{secrets.token_hex(4)}"


def namespace_of(workspace: str) -> str:
    """Its Namespace."""
    return f"ws-{workspace}"


def workspace_path(workspace: str) -> str:
    """The Workspace."""
    return f"{GROUP_PATH}/workspaces/{workspace}"


def namespace_path(namespace: str) -> str:
    """A Namespace."""
    return f"/api/v1/namespaces/{namespace}"


def documents(workspace: str) -> list[tuple[str, Object]]:
    """All that a user writes, in the order of the quick start's files, with the paths to apply them to."""
    namespace = namespace_of(workspace)
    return [
        (namespace_path(namespace), _namespace(namespace, workspace)),
        (workspace_path(workspace), _workspace(workspace)),
        (f"{namespace_path(namespace)}/secrets/openai", _model_key(namespace)),
        (
            f"{GROUP_PATH}/namespaces/{namespace}/agentdeployments/{AGENT}",
            agent_deployment(AGENT, namespace, MODEL_URL),
        ),
    ]


def watched(workspace: str) -> list[tuple[str, Mapping[str, str]]]:
    """The collections in which its way to the first answer shows."""
    inside = f"namespaces/{namespace_of(workspace)}"
    collections = (
        f"{GROUP_PATH}/{inside}/agentdeployments",
        f"/api/v1/{inside}/pods",
        f"/api/v1/{inside}/secrets",
        f"/apis/apps/v1/{inside}/deployments",
        f"/apis/discovery.k8s.io/v1/{inside}/endpointslices",
        f"/apis/gateway.networking.k8s.io/v1/{inside}/httproutes",
        f"/apis/rbac.authorization.k8s.io/v1/{inside}/rolebindings",
    )
    own = (f"{GROUP_PATH}/workspaces", {"fieldSelector": f"metadata.name={workspace}"})
    return [own, *((path, {}) for path in collections)]


def plain_path(name: str) -> str:
    """The baseline's pod."""
    return f"/api/v1/namespaces/{PLAIN_NAMESPACE}/pods/{name}"


def plain_watched(name: str) -> list[tuple[str, Mapping[str, str]]]:
    """Where its readiness shows."""
    return [(f"/api/v1/namespaces/{PLAIN_NAMESPACE}/pods", {"fieldSelector": f"metadata.name={name}"})]


def plain_pod(name: str, image: str, database_url: str, resources: Object) -> Object:
    """A bare pod of the runtime's image that runs `bench.plain_agno` instead; its schema is new."""
    environ = {
        "PYTHONPATH": "/bench",
        "DATABASE_URL": database_url,
        "DATABASE_SCHEMA": schema_of(name),
        "MODEL_URL": MODEL_URL,
    }
    container = {
        "name": "plain",
        "image": image,
        "command": ["python", "-m", "uvicorn", "plain_agno:app"],
        "args": ["--host", "0.0.0.0", "--port", str(PORT), "--no-access-log"],
        "env": [{"name": key, "value": value} for key, value in environ.items()],
        "resources": resources,
        "readinessProbe": {"httpGet": {"path": "/health", "port": PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": "program", "mountPath": "/bench"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": PLAIN_NAMESPACE},
        "spec": {
            "terminationGracePeriodSeconds": 5,
            "containers": [container],
            "volumes": [{"name": "program", "configMap": {"name": "plain-agno"}}],
        },
    }


def schema_of(name: str) -> str:
    """agno writes a schema's name unquoted into its SQL."""
    return name.replace("-", "_")


def _namespace(name: str, workspace: str) -> Object:
    labels = {"agentos.hyvve.io/workspace": workspace}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _workspace(name: str) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": "Workspace",
        "metadata": {"name": name},
        "spec": {
            "displayName": "Bench",
            "deletionPolicy": "Delete",
            "namespace": {"adopt": True},
            "network": {"egress": [{"namespace": MODEL_NAMESPACE, "ports": [{"port": 8080}]}]},
        },
    }


def _model_key(namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "openai", "namespace": namespace},
        "stringData": {"api-key": "not-a-real-key"},
    }
