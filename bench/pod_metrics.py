"""What HorizontalPodAutoscalers measure with, as an administrator brings it into a cluster: for the part `autoscaling`.

metrics-server for CPU; Prometheus and its adapter, with the rule of docs/scaling.md, for active runs. It goes again
with the block: an API whose server is gone holds up the end of every Namespace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any

import yaml

from bench import cluster
from bench.cluster import Place
from local import addons, demo, gobuild, images, toolchain
from local.api import Api, has_condition
from local.paths import CHECKOUT
from local.steps import StepFailedError, run, step, wait_until

IMAGE = "metrics"
NAMESPACE = "monitoring"
APIS = ("v1beta1.metrics.k8s.io", "v1beta1.custom.metrics.k8s.io")
_MANIFEST = Path(__file__).with_suffix(".yaml")
_RULE = re.compile(r"```yaml adapter\.yaml\n(.*?)```", re.DOTALL)


@contextmanager
def measured(place: Place) -> Iterator[None]:
    """Until the end of the block the cluster measures its pods, and the workspaces let Prometheus in."""
    found = demo.ensure_images()
    text = _manifests(images.ensure([IMAGE])[IMAGE].ref)
    kubectl = toolchain.ensure(["kubectl"])["kubectl"]
    api = Api(place.kubeconfig)
    try:
        with step("metrics-server, Prometheus and its adapter"):
            addons.kubectl_apply(kubectl, place.kubeconfig, text)
            for name in APIS:
                _wait_for(api, name)
        demo.upgrade(place.kubeconfig, found, place.port, {"metrics": {"namespace": NAMESPACE}})
        cluster.wait(place.kubeconfig)
        yield
    finally:
        demo.install(place.kubeconfig, found, place.port)
        cluster.wait(place.kubeconfig)
        command: list[str | Path] = [kubectl, "--kubeconfig", place.kubeconfig, "delete", "--ignore-not-found"]
        run([*command, "--wait=false", "-f", "-"], stdin=text, advice="`make down` removes it with its cluster.")


def _wait_for(api: Api, name: str) -> None:
    path = f"/apis/apiregistration.k8s.io/v1/apiservices/{name}"
    wait_until(
        lambda: has_condition(api.get(path) or {}, "Available"),
        what=name,
        timeout=180,
        advice=f"See `kubectl describe apiservice {name}` and the pods in kube-system and {NAMESPACE}.",
    )


def _manifests(image: str) -> str:
    """All of it, with the image in the place of public ones."""
    ours = list(yaml.safe_load_all(Template(_MANIFEST.read_text()).substitute({"IMAGE": image})))
    rule = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "prometheus-adapter", "namespace": NAMESPACE},
        "data": {"adapter.yaml": documented_rule()},
    }
    return yaml.safe_dump_all([*ours, rule, *_metrics_server(image)])


def documented_rule() -> str:
    """The adapter's configuration as docs/scaling.md tells people to write it."""
    found = _RULE.search((CHECKOUT / "docs/scaling.md").read_text())
    if found is None:
        raise StepFailedError("docs/scaling.md has no adapter.yaml", "Give the block that name again.")
    return found[1]


def _metrics_server(image: str) -> Iterator[dict[str, Any]]:
    """The module's own manifests, with kubelets whose certificates are checked against the cluster's authority."""
    module = gobuild.module_folder(toolchain.COMMANDS["metrics-server"].module, toolchain.METRICS_SERVER)
    kubectl = toolchain.ensure(["kubectl"])["kubectl"]
    text = run([kubectl, "kustomize", module / "manifests/base"], advice="Report this: the module changed its shape.")
    authority = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    for document in yaml.safe_load_all(text):
        if document["kind"] == "Deployment":
            (container,) = document["spec"]["template"]["spec"]["containers"]
            container |= {"image": image, "command": ["metrics-server"]}
            container["args"].append(f"--kubelet-certificate-authority={authority}")
        yield document
