"""Which binaries the local cluster needs, in which version, and how to get one; `local.cluster` and the images do.

A binary comes from PATH when its version suits, else from the cache, else it is built there (once per version; the
first `up` of a machine spends most of its time here).
"""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from local import gobuild, paths
from local.gobuild import GoCommand
from local.steps import go_on, say, step

KUBERNETES = "v1.34.4"
CILIUM = "v1.20.2"
ENVOY_GATEWAY = "v1.9.1"
CONTOUR = "v1.33.8"
METRICS_SERVER = "v0.9.0"
PROMETHEUS = "v0.316.0"
"""As a module; Prometheus calls this release 3.16.0."""
PROMETHEUS_ADAPTER = "v0.12.0"

_KUBERNETES_STAMPS = tuple(
    f"{package}.{key}={value}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for key, value in (
        ("gitVersion", KUBERNETES),
        ("gitMajor", KUBERNETES[1:].partition(".")[0]),
        ("gitMinor", KUBERNETES.split(".")[1]),
    )
)


def _kubernetes(name: str) -> GoCommand:
    return GoCommand(name, "k8s.io/kubernetes", KUBERNETES, f"cmd/{name}", _KUBERNETES_STAMPS)


def _cilium(name: str, package: str) -> GoCommand:
    return GoCommand(
        name,
        "github.com/cilium/cilium",
        CILIUM,
        package,
        stamps=(f"github.com/cilium/cilium/pkg/version.ciliumVersion={CILIUM[1:]}",),
        tags="osusergo",
        # Cilium pins an unreleased BGP library that module proxies may lack; BGP is not used here.
        replace={"github.com/osrg/gobgp/v4": "github.com/osrg/gobgp/v4 v4.8.0"},
    )


COMMANDS: dict[str, GoCommand] = {
    command.name: command
    for command in (
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        _kubernetes("kubelet"),
        _kubernetes("kube-proxy"),
        _kubernetes("kubectl"),
        GoCommand(
            "helm",
            "helm.sh/helm/v3",
            "v3.21.4",
            "cmd/helm",
            ("helm.sh/helm/v3/internal/version.version=v3.21.4",),
        ),
        GoCommand("coredns", "github.com/coredns/coredns", "v1.15.0", "."),
        GoCommand("envoy-gateway", "github.com/envoyproxy/gateway", ENVOY_GATEWAY, "cmd/envoy-gateway"),
        GoCommand("contour", "github.com/projectcontour/contour", CONTOUR, "cmd/contour"),
        GoCommand("metrics-server", "sigs.k8s.io/metrics-server", METRICS_SERVER, "cmd/metrics-server"),
        GoCommand(
            "prometheus",
            "github.com/prometheus/prometheus",
            PROMETHEUS,
            "cmd/prometheus",
            # Of the ways to find what is to be asked, only pods: the clouds' clients are most of its build.
            tags="remove_all_sd,enable_kubernetes_sd",
        ),
        GoCommand("prometheus-adapter", "sigs.k8s.io/prometheus-adapter", PROMETHEUS_ADAPTER, "cmd/adapter"),
        _cilium("cilium-agent", "daemon"),
        _cilium("cilium-cni", "plugins/cilium-cni"),
        _cilium("cilium-dbg", "cilium-dbg"),
        GoCommand("kubeconform", "github.com/yannh/kubeconform", "v0.8.0", "cmd/kubeconform"),
        GoCommand("crane", "github.com/google/go-containerregistry", "v0.22.1", "cmd/crane"),
        GoCommand("kind", "sigs.k8s.io/kind", "v0.33.0", "."),
        GoCommand("kwok", "sigs.k8s.io/kwok", "v0.8.0", "cmd/kwok"),
    )
}

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODE = ("kubelet", "kube-proxy", "kubectl", "helm", "cilium-agent", "cilium-cni", "cilium-dbg")
IMAGES = ("coredns", "envoy-gateway")

_SUITS = {
    # The two that people have and whose exact version does not matter; everything else must be the pinned one.
    "kubectl": (("version", "--client"), r"Client Version: v1\.3[3-9]\."),
    "helm": (("version", "--short"), r"^v3\.(1[4-9]|[2-9]\d)\."),
}


def path_of(name: str) -> Path:
    """Where the binary is, or will be once `ensure` has run."""
    return _on_path(name) or _cached(name)


def ensure(names: Iterable[str] = tuple(COMMANDS)) -> dict[str, Path]:
    """Return every named binary, building those that are nowhere yet.

    A build keeps about four cores busy, so machines with more run several side by side.
    """
    wanted = list(names)
    missing = [name for name in wanted if not path_of(name).exists()]
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 4)) as pool:
        builds = [
            pool.submit(_build, COMMANDS[name], f"{number} of {len(missing)}")
            for number, name in enumerate(missing, start=1)
        ]
        for build in builds:
            build.result()
    return {name: path_of(name) for name in wanted}


def _build(command: GoCommand, place: str) -> None:
    target = _cached(command.name)
    with _locked(target.with_name(f"{target.name}.lock")):
        if target.exists():
            return
        go_on(f"{command.name} was not built")
        say(f"  building {command.name} {command.version} ({place}; this machine keeps it) ...")
        with step(f"built {command.name}"):
            gobuild.build(command, target)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One build at a time per binary: `make up` and `make test` may both be the first on a machine."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cached(name: str) -> Path:
    folder = paths.cache() / "bin"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}-{COMMANDS[name].version}"


def _on_path(name: str) -> Path | None:
    if name not in _SUITS or not (found := shutil.which(name)):
        return None
    arguments, pattern = _SUITS[name]
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    return Path(found) if done.returncode == 0 and re.search(pattern, done.stdout, re.MULTILINE) else None
