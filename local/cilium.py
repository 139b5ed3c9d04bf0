"""NetworkPolicy enforcement: Cilium's agent chained behind the bridge plugin; `local.cluster` starts it.

No operator and no service routing: kube-proxy does that. The pod network's configuration is written only when
the agent answers, because a pod that starts without it would stay unprotected (and unreachable once others are
protected).
"""

import os
import shutil
from pathlib import Path

from local import crds, gobuild, node, paths, toolchain
from local.api import Api
from local.machine import Machine
from local.machine_root import MACHINE

LLVM = Path("/usr/lib/llvm-19/bin")
"""The agent compiles its datapath when it starts, with what is called clang and llc on its PATH."""
SOCKET = "/run/cilium/cilium.sock"
"""Where the CNI plugin looks for the agent, without being told."""
_CRDS = "pkg/k8s/apis/cilium.io/client/crds"


def sources() -> Path:
    """The datapath's sources and the CRDs, copied out of the module into the cache once per version."""
    target = paths.cache() / f"cilium-{toolchain.CILIUM}"
    if not (target / "crds.json").exists():
        module = gobuild.module_folder(toolchain.COMMANDS["cilium-agent"].module, toolchain.CILIUM)
        partial = target.with_suffix(f".{os.getpid()}")
        shutil.copytree(module / "bpf", partial / "bpf", copy_function=shutil.copyfile)
        for path in partial.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)  # a module cache is read-only
        crds.collect(sorted((module / _CRDS).rglob("*.yaml")), partial / "crds.json")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    return target


def agent(binary: Path, name: str) -> list[str]:
    """The agent's command line; why each unusual flag stands there is said beside it."""
    home = MACHINE / "cilium"
    return [
        str(binary),
        f"--k8s-kubeconfig-path={MACHINE / 'kubeconfigs/admin.yaml'}",
        f"--cluster-name={name}",
        "--bpf-root=/sys/fs/bpf",
        "--cgroup-root=/run/cilium/cgroupv2",
        f"--lib-dir={home / 'lib'}",
        f"--state-dir={home / 'state'}",
        f"--socket-path={SOCKET}",
        "--cni-chaining-mode=generic-veth",
        "--cni-exclusive=false",
        "--write-cni-conf-when-ready=",
        "--enable-ipv4=true",
        "--enable-ipv6=false",
        "--routing-mode=native",
        "--enable-ipv4-masquerade=false",
        "--ipam=delegated-plugin",
        "--local-router-ipv4=169.254.23.1",
        "--enable-local-node-route=false",
        # true adds a route per pod that leads past the bridge: the node would no longer reach its pods.
        "--enable-endpoint-routes=false",
        # false makes the node itself "world", and a default-deny policy would then fail every probe.
        "--install-iptables-rules=true",
        f"--devices={node.BRIDGE}",
        "--kube-proxy-replacement=false",
        "--enable-l7-proxy=false",
        "--enable-envoy-config=false",
        "--enable-hubble=false",
        "--enable-health-checking=false",
        "--enable-endpoint-health-checking=false",
        "--enable-health-check-nodeport=false",
        "--identity-allocation-mode=crd",
        "--enable-policy=default",
        "--enable-k8s-networkpolicy=true",
    ]


def start(machine: Machine, api: Api, binaries: dict[str, Path]) -> None:
    """Start the agent and wait until the CNI plugin could talk to it.

    It keeps identities and endpoints in custom resources, which its own operator would define.
    """
    crds.apply(api, sources() / "crds.json")
    home = machine.state / "cilium"
    (home / "state").mkdir(parents=True, exist_ok=True)
    shutil.copytree(sources() / "bpf", home / "lib/bpf", dirs_exist_ok=True)
    plugin = machine.state / "cni/bin/cilium-cni"
    plugin.unlink(missing_ok=True)
    plugin.symlink_to(inside(binaries["cilium-cni"]))
    # The bridge plugin makes the bridge with the first pod; the agent wants its device at once.
    machine.run(["ip", "link", "add", node.BRIDGE, "type", "bridge"])
    machine.run(["ip", "link", "set", node.BRIDGE, "up"])
    machine.run(["mkdir", "-p", "/run/cilium/cgroupv2"])
    machine.run(["mount", "-t", "cgroup2", "cgroup2", "/run/cilium/cgroupv2"])
    search = f"{LLVM}:{os.environ['PATH']}"
    machine.launch("cilium-agent", agent(inside(binaries["cilium-agent"]), machine.name), {"PATH": search})
    status = [str(inside(binaries["cilium-dbg"])), "-H", f"unix://{SOCKET}", "status", "--brief"]
    machine.wait_for("cilium-agent", lambda: machine.succeeds(status), timeout=120)


def inside(binary: Path) -> Path:
    """Where a binary of the cache lies inside the machine."""
    return MACHINE / "cache" / binary.relative_to(paths.cache()) if binary.is_relative_to(paths.cache()) else binary
