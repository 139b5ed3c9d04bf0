"""What runs in the cluster as pods from the start: cluster DNS and the gateway; `local.cluster` and `local.targets`."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template

from local import components, crds, gobuild, paths, toolchain
from local.api import Api, has_condition
from local.steps import run, wait_until

GATEWAY_NAMESPACE = "agentos-gateway"
GATEWAY_NAME = "agentos"
DATA_PLANE_NAMESPACE = "envoy-gateway-system"
"""Envoy Gateway runs its proxies beside itself: NetworkPolicies must let in this namespace."""
NODE_PORT = 30080
"""The gateway's port on every address of a node: fixed, so that kind can publish it."""
_MANIFESTS = Path(__file__).parent / "manifests"


def kubectl_apply(kubectl: Path, kubeconfig: Path, text: str) -> None:
    """Apply manifests server-side."""
    command: list[str | Path] = [kubectl, "--kubeconfig", kubeconfig, "apply", "--server-side"]
    command += ["--force-conflicts", "-f", "-"]
    run(command, stdin=text, advice="Run the same `kubectl apply` by hand to see more.")


def manifest(name: str, values: Mapping[str, str]) -> str:
    """A manifest of ours with its placeholders filled in."""
    return Template((_MANIFESTS / f"{name}.yaml").read_text()).substitute(values)


def coredns(image: str, servers: list[str]) -> str:
    """Cluster DNS that forwards to the host's name servers, if it has any that pods can reach."""
    forward = f"forward . {' '.join(servers)}" if servers else "# no name server of the host can be reached"
    return manifest("coredns", {"IMAGE": image, "ADDRESS": components.DNS_ADDRESS, "FORWARD": forward})


def gateway_chart() -> Path:
    """Envoy Gateway's chart out of its Go module, in the cache; its values are a template that we fill in."""
    target = paths.cache() / f"envoy-gateway-chart-{toolchain.ENVOY_GATEWAY}"
    if not (target / "crds.json").exists():
        module = gobuild.module_folder(toolchain.COMMANDS["envoy-gateway"].module, toolchain.ENVOY_GATEWAY)
        partial = target.with_suffix(f".{os.getpid()}")
        shutil.copytree(module / "charts/gateway-helm", partial, copy_function=shutil.copyfile)
        for path in (partial, *partial.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        values = (partial / "values.tmpl.yaml").read_text()
        image = f"docker.io/envoyproxy/gateway:{toolchain.ENVOY_GATEWAY}"
        values = values.replace("${GatewayImage}", image).replace("${GatewayImagePullPolicy}", "IfNotPresent")
        (partial / "values.yaml").write_text(values)
        chart = (partial / "Chart.yaml").read_text()
        chart = re.sub(r"(?m)^(version|appVersion): .*$", rf"\1: {toolchain.ENVOY_GATEWAY}", chart)
        (partial / "Chart.yaml").write_text(chart)
        crds.collect(sorted((partial / "charts/crds/crds").rglob("*.yaml")), partial / "crds.json")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    return target


def install_envoy_gateway(helm: Path, kubeconfig: Path, image: str = "", *, prepared: bool = False) -> None:
    """Install the controller by its chart; without `image` it pulls the published one.

    `prepared` says that `prepare_gateway` has done what helm and the chart's only hook take long for.
    """
    settings = {
        "deployment.envoyGateway.readinessProbe.periodSeconds": "1",
        "deployment.envoyGateway.resources.requests.cpu": "20m",
        "topologyInjector.enabled": "false",
    }
    if image:
        settings["global.images.envoyGateway.image"] = image
    command: list[str | Path] = [helm, "--kubeconfig", kubeconfig, "upgrade", "--install", "envoy-gateway"]
    command += [gateway_chart(), "--namespace", DATA_PLANE_NAMESPACE, "--create-namespace", "--timeout", "5m"]
    command += ["--disable-openapi-validation", "--no-hooks", "--skip-crds"] if prepared else []
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    advice = f"See `kubectl get events -n {DATA_PLANE_NAMESPACE}` for what kept its pods from running."
    run(command, advice=advice)


def prepare_gateway(envoy_gateway: Path, api: Api, kubeconfig: Path) -> None:
    """Apply the CRDs, and make the controller's certificates: the chart does that in a pod, and helm waits for it."""
    crds.apply(api, gateway_chart() / "crds.json")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": DATA_PLANE_NAMESPACE}}
    api.apply(f"/api/v1/namespaces/{DATA_PLANE_NAMESPACE}", namespace)
    place = {"KUBECONFIG": str(kubeconfig), "ENVOY_GATEWAY_NAMESPACE": DATA_PLANE_NAMESPACE}
    command: list[str | Path] = [envoy_gateway, "certgen", "--disable-topology-injector"]
    run(command, env={**os.environ, **place}, advice="See the log of kube-apiserver.")


def apply_gateway(kubectl: Path, kubeconfig: Path, envoy: str) -> None:
    """Create the Gateway that routes attach to, its proxies running the image `envoy`."""
    kubectl_apply(kubectl, kubeconfig, manifest("gateway", {"ENVOY_IMAGE": envoy, "NODE_PORT": str(NODE_PORT)}))


def wait_for_gateway(api: Api) -> str:
    """Wait until the gateway takes traffic; returns its address inside the cluster (port 80)."""
    gateway = f"/apis/gateway.networking.k8s.io/v1/namespaces/{GATEWAY_NAMESPACE}/gateways/{GATEWAY_NAME}"
    service = f"/api/v1/namespaces/{DATA_PLANE_NAMESPACE}/services/{GATEWAY_NAME}"
    wait_until(
        lambda: has_condition(api.get(gateway) or {}, "Programmed"),
        what="the gateway",
        timeout=180,
        advice=f"See `kubectl describe gateways,pods -A` and the pods in {DATA_PLANE_NAMESPACE}.",
    )
    found = api.get(service)
    return str(found["spec"]["clusterIP"]) if found else ""
