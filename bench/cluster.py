"""A local cluster with this checkout's operator installed, for the parts that need pods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local import addons, cluster, demo, toolchain
from local.api import Api
from local.images import ImageArchive
from local.paths import CHECKOUT
from local.steps import say, step, wait_until

USUAL = "agentos"
"""The cluster of `make up`."""
OWN = "agentos-bench"
PORT = 8090
MODEL_NAMESPACE = "agentos-demo"
MODEL_URL = "http://fake-model.agentos-demo.svc.cluster.local/v1"
PLAIN_NAMESPACE = "agentos-bench"
_AWAITED = (
    f"/apis/apps/v1/namespaces/{demo.NAMESPACE}/deployments/agentos-operator",
    f"/apis/apps/v1/namespaces/{demo.NAMESPACE}/statefulsets/agentos-postgres",
    f"/apis/apps/v1/namespaces/{MODEL_NAMESPACE}/deployments/fake-model",
)


@dataclass(frozen=True)
class Place:
    """Where the cluster parts measure."""

    kubeconfig: Path
    port: int
    """The loopback port of the gateway."""
    runtime_image: str
    operator_image: str


@contextmanager
def ready(name: str, more: Iterable[ImageArchive] = (), port: int = PORT) -> Iterator[Place]:
    """The cluster called `name`; by default the one of `make up`, or one of our own for as long as it is needed.

    `more` are images that its node shall have besides those of the quick start, `port` is where the gateway of a
    cluster that is not up yet shall be.
    """
    chosen = cluster.Cluster(name or (USUAL if cluster.Cluster(USUAL).is_healthy() else OWN))
    was_up = chosen.is_healthy()
    found = demo.ensure_images()
    try:
        if not was_up:
            cluster.up(chosen.name, port=port, extra=found.values())
        chosen.load(more)
        yield _furnish(chosen, found)
    finally:
        if not was_up:
            cluster.down(chosen.name)


def _furnish(chosen: cluster.Cluster, found: demo.Found) -> Place:
    """Everything up to, but without, a workspace."""
    say(f"  cluster {chosen.name}, gateway on port {chosen.port}")
    chosen.load(found.values())
    with step("installed the chart", quiet_below=1.0):
        demo.install(chosen.kubeconfig, found, chosen.port)
    kubectl = toolchain.ensure(["kubectl"])["kubectl"]
    model = addons.manifest("fake-model", {"IMAGE": found["agentos-fake-model"].ref})
    addons.kubectl_apply(kubectl, chosen.kubeconfig, f"{model}\n---\n{_plain_namespace()}")
    with step("operator, PostgreSQL and the scripted model", quiet_below=1.0):
        wait(chosen.kubeconfig)
    return Place(chosen.kubeconfig, chosen.port, _ref(found, "runtime"), _ref(found, "operator"))


def _ref(found: demo.Found, program: str) -> str:
    image: ImageArchive = found[f"agentos-{program}"]
    return image.ref


def _plain_namespace() -> str:
    """Where the baseline runs, with its program; the label is what opens the embedded PostgreSQL to it."""
    program = (CHECKOUT / "bench/plain_agno.py").read_text()
    indented = "".join(f"    {line}\n" for line in program.splitlines())
    return (
        "apiVersion: v1\nkind: Namespace\nmetadata:\n"
        f"  name: {PLAIN_NAMESPACE}\n  labels: {{agentos.hyvve.io/workspace: none}}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n"
        f"  name: plain-agno\n  namespace: {PLAIN_NAMESPACE}\ndata:\n  plain_agno.py: |\n{indented}"
    )


def wait(kubeconfig: Path) -> None:
    """Until what the chart installs works, and an operator of its newest revision leads."""
    api = Api(kubeconfig)
    advice = "See `kubectl get pods -A` of the bench's cluster."
    for path in _AWAITED:
        wait_until(_is_rolled_out(api, path), what=path, timeout=300, advice=advice)
    wait_until(_leads(api), what="the new operator's leadership", timeout=120, advice=advice)


def _is_rolled_out(api: Api, path: str) -> Callable[[], bool]:
    """Of the newest revision, and nothing of an older one left: it would be measured too."""

    def asked() -> bool:
        item = api.get(path) or {}
        status = item.get("status", {})
        counts = {status.get(name) for name in ("replicas", "updatedReplicas", "readyReplicas")}
        return bool(item) and counts == {1} and status.get("observedGeneration", 0) >= item["metadata"]["generation"]

    return asked


def _leads(api: Api) -> Callable[[], bool]:
    """An upgraded operator works when the Lease of its predecessor has come to it."""
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{demo.NAMESPACE}/leases/agentos-operator"
    pods = f"/api/v1/namespaces/{demo.NAMESPACE}/pods"

    def asked() -> bool:
        holder = (api.get(lease) or {}).get("spec", {}).get("holderIdentity")
        metadata = [pod["metadata"] for pod in api.items(pods)]
        return holder in [one["name"] for one in metadata if "deletionTimestamp" not in one]

    return asked
