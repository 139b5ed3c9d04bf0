"""How a workspace's pods verify their PostgreSQL server: a ConfigMap with its certificate authorities, and its mount.

A file and no environment variable: the kubelet renews it in running pods, and libpq reads it at every connect, so that
changed authorities restart nothing.
"""

from __future__ import annotations

from dataclasses import replace

from agentos_operator.desired.agent_deployment import DeploymentObjects
from agentos_operator.desired.common import child
from agentos_operator.naming import DATABASE_CA_CONFIG_MAP, DATABASE_CA_FILE, workspace_labels
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace

VOLUME = "database-ca"


def build_database_ca(workspace: Workspace, certificates: str) -> Object:
    """The ConfigMap with ``certificates`` in PEM; they are public."""
    labels = workspace_labels(workspace.name)
    config_map = child("v1", "ConfigMap", DATABASE_CA_CONFIG_MAP, workspace.namespace, labels, workspace.owner)
    config_map["data"] = {DATABASE_CA_FILE.name: certificates}
    return config_map


def mount_database_ca(pod: Object) -> Object:
    """The pod's spec with the authorities where ``sslrootcert`` of the workspace's URL looks for them."""
    (container,) = pod["containers"]
    mount = {"name": VOLUME, "mountPath": str(DATABASE_CA_FILE.parent), "readOnly": True}
    volume = {"name": VOLUME, "configMap": {"name": DATABASE_CA_CONFIG_MAP}}
    return {
        **pod,
        "containers": [{**container, "volumeMounts": [*container.get("volumeMounts", ()), mount]}],
        "volumes": [*pod.get("volumes", ()), volume],
    }


def deployment_with_database_ca(objects: DeploymentObjects) -> DeploymentObjects:
    """``objects`` whose pods can verify their database server."""
    deployment = objects.deployment
    template = deployment["spec"]["template"]
    spec = {**deployment["spec"], "template": {**template, "spec": mount_database_ca(template["spec"])}}
    return replace(objects, deployment={**deployment, "spec": spec})
