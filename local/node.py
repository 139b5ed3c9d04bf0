"""Configuration of the one node of a local cluster, pure except for `write`; `local.cluster` calls it at each start.

All paths are as seen inside the machine, where the cluster's state folder is /machine.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local import components, paths
from local.machine_root import MACHINE

DEBIAN_CNI = Path("/usr/lib/cni")
CNI_BIN = MACHINE / "cni/bin"
CNI_CONFIG = MACHINE / "cni/net.d"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
BRIDGE = "cni0"


@dataclass(frozen=True)
class ContainerRuntime:
    """What containerd must be told about this host and its images."""

    pause: str
    """The image that holds a pod's namespaces open."""
    snapshotter: str


def containerd_config(runtime: ContainerRuntime, *, kubernetes: bool = True) -> str:
    """containerd's configuration; without `kubernetes` it only keeps images, which is how leftovers are purged."""
    disabled = "" if kubernetes else 'disabled_plugins = ["io.containerd.grpc.v1.cri"]'
    return f"""
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
{disabled}
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{runtime.pause}"
  # Without CAP_SYS_RESOURCE no sandbox starts otherwise; with it this changes nothing that matters here.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{runtime.snapshotter}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_BIN}"
    conf_dir = "{CNI_CONFIG}"
"""


def kubelet_config() -> dict[str, Any]:
    """The kubelet's configuration: one node that takes everything and evicts nothing before the disk is full."""
    pki = MACHINE / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "clusterDNS": [components.DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "resolvConf": str(MACHINE / "resolv.conf"),
        "maxPods": 220,
        "serializeImagePulls": False,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": str(MACHINE / "volume-plugins"),
        "shutdownGracePeriod": "0s",
        # The defaults (50/100) are what a test with hundreds of pods would measure.
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
    }


def proxy_config() -> dict[str, Any]:
    """kube-proxy's: nftables; limits of connection tracking belong to the host and are left alone."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": components.POD_SUBNET,
        "clientConnection": {"kubeconfig": str(MACHINE / "kubeconfigs/kube-proxy.yaml")},
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
    }


def cni_config(pod_subnet: str, *, policies: bool) -> dict[str, Any]:
    """Pods on a bridge; with `policies` Cilium is chained behind it and enforces NetworkPolicy."""
    plugins: list[dict[str, Any]] = [
        {
            "type": "bridge",
            "bridge": BRIDGE,
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": pod_subnet}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    if policies:
        plugins.append({"type": "cilium-cni", "chaining-mode": "generic-veth"})
    return {"cniVersion": "0.4.0", "name": "agentos-local", "plugins": plugins}


def kubelet(binary: Path, name: str, address: str) -> list[str]:
    """The kubelet's command line: only what its configuration file cannot say."""
    return [
        str(binary),
        f"--config={MACHINE / 'conf/kubelet.yaml'}",
        f"--kubeconfig={MACHINE / 'kubeconfigs/kubelet.yaml'}",
        f"--hostname-override={name}",
        f"--node-ip={address}",
    ]


def write(state: Path, servers: list[str], runtime: ContainerRuntime) -> None:
    """Write every configuration file into the state folder, and link the CNI plugins together."""
    conf = paths.private_folder(state / "conf")
    documents: Mapping[str, dict[str, Any]] = {"kubelet": kubelet_config(), "kube-proxy": proxy_config()}
    for name, document in documents.items():
        paths.write_private(conf / f"{name}.yaml", yaml.safe_dump(document))
    paths.write_private(conf / "containerd.toml", containerd_config(runtime))
    paths.write_private(conf / "containerd-purge.toml", containerd_config(runtime, kubernetes=False))
    resolver = state / "resolv.conf"
    resolver.write_text("".join(f"nameserver {server}\n" for server in servers))
    resolver.chmod(0o644)  # pods of any user read their copy
    for folder in ("cni/bin", "cni/net.d", "volume-plugins"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    for plugin in DEBIAN_CNI.iterdir():
        (state / "cni/bin" / plugin.name).symlink_to(plugin)


def write_cni(state: Path, pod_subnet: str, *, policies: bool) -> None:
    """Put the pod network's configuration in place: from here on the node becomes Ready."""
    document = json.dumps(cni_config(pod_subnet, policies=policies), indent=2)
    paths.write_private(state / "cni/net.d/10-agentos.conflist", document)
