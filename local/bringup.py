"""The order in which a local cluster starts; `local.cluster` calls `start`, once everything needed lies ready.

What does not depend on each other starts at the same time; what waits, polls.
"""

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from local import addons, cilium, components, network, node, nodeimages, paths
from local.api import Api, has_condition
from local.components import NODE_POD_SUBNET, ControlPlane
from local.controlplane import make_credentials
from local.images import ImageArchive
from local.machine import Machine
from local.machine_root import MACHINE
from local.pki import Authority, Identity
from local.steps import gather, step, strands, wait_until


def start(machine: Machine, binaries: dict[str, Path], found: dict[str, ImageArchive]) -> None:
    """Start everything. Two strands meet: containerd with its images, and the control plane with the network."""
    plane = _prepare(machine, binaries, found["pause"].ref)
    with step("machine"):
        machine.start()
    with strands() as pool:
        runtime = pool.submit(nodeimages.start_containerd, machine)
        loaded = pool.submit(_load, runtime, machine, found.values())
        with step("control plane"):
            _control_plane(machine, plane)
        network = pool.submit(_pod_network, machine, binaries)
        runtime.result()
        _node(machine, binaries)
        pending = [loaded, network, pool.submit(_dns, machine, binaries["kubectl"], found, loaded)]
        pending.append(pool.submit(_gateway, machine, binaries, found, loaded))
        gather(pending)


def _load(runtime: Future[None], machine: Machine, found: Iterable[ImageArchive]) -> None:
    runtime.result()
    with step("images", quiet_below=0.5):
        nodeimages.prune(machine, found)
        nodeimages.load(machine, found)


def _prepare(machine: Machine, binaries: dict[str, Path], pause: str) -> ControlPlane:
    """Write every file that the components read; returns the control plane as they see it."""
    name = machine.name
    address = machine.link.node
    paths.private_folder(machine.state)
    kubelet = Identity("kubelet", f"system:node:{name}", "system:nodes")
    outside = ControlPlane(binaries, machine.state, address)
    make_credentials(outside, (address, "127.0.0.1", "localhost"), [kubelet])
    server = Identity("kubelet-server", f"system:node:{name}", "system:nodes", hosts=(name, address))
    Authority(machine.state / "pki").issue(server)
    node.write(machine.state, network.name_servers(), node.ContainerRuntime(pause, nodeimages.snapshotter(name)))
    inside = {key: cilium.inside(path) for key, path in binaries.items()}
    return replace(outside, binaries=inside, folder=MACHINE)


def _control_plane(machine: Machine, plane: ControlPlane) -> None:
    api = Api(machine.kubeconfig)
    machine.launch("etcd", components.etcd(plane))
    machine.launch("kube-apiserver", components.apiserver(plane))
    machine.wait_for("kube-apiserver", api.is_ready)
    machine.launch("kube-controller-manager", components.controller_manager(plane))
    machine.launch("kube-scheduler", components.scheduler(plane))


def _node(machine: Machine, binaries: dict[str, Path]) -> None:
    kubelet = node.kubelet(cilium.inside(binaries["kubelet"]), machine.name, machine.link.node)
    machine.launch("kubelet", kubelet)
    proxy = [str(cilium.inside(binaries["kube-proxy"])), f"--config={MACHINE / 'conf/kube-proxy.yaml'}"]
    machine.launch("kube-proxy", [*proxy, f"--hostname-override={machine.name}"])


def node_is_ready(machine: Machine) -> bool:
    """Whether the one node takes pods."""
    item = Api(machine.kubeconfig).get(f"/api/v1/nodes/{machine.name}")
    return bool(item and has_condition(item, "Ready"))


def _pod_network(machine: Machine, binaries: dict[str, Path]) -> None:
    with step("pod network with policies (Cilium)"):
        cilium.start(machine, Api(machine.kubeconfig), binaries)
        node.write_cni(machine.state, NODE_POD_SUBNET, policies=True)
    with step("node ready"):
        machine.wait_for("kubelet", lambda: node_is_ready(machine))


def _dns(machine: Machine, kubectl: Path, found: dict[str, ImageArchive], loaded: Future[None]) -> None:
    loaded.result()
    with step("cluster DNS"):
        text = addons.coredns(found["coredns"].ref, network.name_servers())
        addons.kubectl_apply(kubectl, machine.kubeconfig, text)
        _wait_for_deployment(machine, "kube-system", "coredns")


def _gateway(machine: Machine, binaries: dict[str, Path], found: dict[str, ImageArchive], loaded: Future[None]) -> None:
    loaded.result()
    with step("gateway (Envoy Gateway)"):
        api = Api(machine.kubeconfig)
        addons.prepare_gateway(binaries["envoy-gateway"], api, machine.kubeconfig)
        image = found["envoy-gateway"].ref
        addons.install_envoy_gateway(binaries["helm"], machine.kubeconfig, image, prepared=True)
        addons.apply_gateway(binaries["kubectl"], machine.kubeconfig, found["envoy"].ref)
        addons.wait_for_gateway(api)


def _wait_for_deployment(machine: Machine, namespace: str, name: str) -> None:
    api = Api(machine.kubeconfig)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    wait_until(
        lambda: has_condition(api.get(path) or {}, "Available"),
        what=f"{namespace}/{name}",
        timeout=180,
        advice=f"See `kubectl describe pods -n {namespace}`.",
    )
