"""Contour beside the cluster's own gateway: a controller that knows nothing but Ingress, for ``test_ingress``."""

from __future__ import annotations

from pathlib import Path
from string import Template

from local import addons, cluster, gobuild, images, toolchain
from local.steps import run

NAMESPACE = "projectcontour"
HTTP_PORT, HTTPS_PORT = 30081, 30444
_MANIFEST = Path(__file__).with_name("contour.yaml")


def install(running: cluster.Cluster) -> str:
    """Bring Contour and the stand-in for the main API up; returns the address at which the node publishes it."""
    found = images.ensure(["contour", "envoy", "agentos-fake-model"])
    running.load([found["contour"]])
    examples = gobuild.module_folder(toolchain.COMMANDS["contour"].module, toolchain.CONTOUR) / "examples" / "contour"
    node = running.machine.link.node
    values = {
        "CONTOUR_IMAGE": found["contour"].ref,
        "ENVOY_IMAGE": found["envoy"].ref,
        "ECHO_IMAGE": found["agentos-fake-model"].ref,
        "NODE": node,
        "HTTP_PORT": str(HTTP_PORT),
        "HTTPS_PORT": str(HTTPS_PORT),
    }
    texts = ["apiVersion: v1\nkind: Namespace\nmetadata: {name: projectcontour}\n"]
    texts += [(examples / name).read_text() for name in ("01-crds.yaml", "02-role-contour.yaml")]
    kubectl = toolchain.ensure(["kubectl"])["kubectl"]
    addons.kubectl_apply(kubectl, running.kubeconfig, "\n---\n".join(texts))
    addons.kubectl_apply(kubectl, running.kubeconfig, _BINDING + Template(_MANIFEST.read_text()).substitute(values))
    for place in (f"{NAMESPACE}/contour", "platform-api/main"):
        namespace, _, name = place.partition("/")
        command: list[str | Path] = [kubectl, "--kubeconfig", running.kubeconfig, "-n", namespace]
        command += ["rollout", "status", f"deployment/{name}", "--timeout=180s"]
        run(command, advice=f"See `kubectl -n {namespace} describe pods`.")
    return node


_BINDING = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: contour}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: contour}
subjects: [{kind: ServiceAccount, name: contour, namespace: projectcontour}]
---
"""
