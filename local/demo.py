"""The quick start on a cluster that is up: install the chart, make a workspace, ask its agent one question.

`local.targets` calls `run` at the end of `make up`. Everything goes the way that a user's would: helm, kubectl, and
HTTP through the gateway with a token as agentosctl signs them. A second run finds all of it there and changes nothing.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

from agentosctl import lines, status, token
from agentosctl.cluster import AGENT_DEPLOYMENT, WORKSPACE, Kind, KubernetesCluster, connect
from agentosctl.errors import CliError, NotFound, NotInstalled, Unreachable
from local import addons, images, images_recipes, toolchain
from local.images import ImageArchive
from local.paths import CHECKOUT
from local.steps import StepFailedError, say, step, wait_until
from local.steps import run as call

IMAGES = ("agentos-operator", "agentos-runtime", "agentos-postgres", "agentos-fake-model")
RELEASE = "agentos"
NAMESPACE = "agentos-system"
CHART = CHECKOUT / "charts" / "agentos"
EXAMPLES = (CHECKOUT / "examples" / "quickstart.yaml", CHECKOUT / "examples" / "support.yaml")
BASE_DOMAIN = "agents.localhost"
READY_SECONDS = 300
QUESTION = 'call multiply {"a": 21, "b": 2}'
"""A line of the scripted model's language: it has the agent use its calculator."""

Found = Mapping[str, ImageArchive]


@dataclass(frozen=True)
class Place:
    """The cluster to show it on."""

    kubeconfig: Path
    port: int
    """Port of this host that leads to the gateway."""
    load: Callable[[Iterable[ImageArchive]], None]
    """Put images where the cluster's nodes find them."""


def ensure_images() -> Found:
    """The images that the quick start needs; built while nothing else waits for them where the caller can."""
    return images.ensure(IMAGES)


def run(place: Place, found: Found | None = None) -> str:
    """Do all of it and return what the person shall read."""
    found = found or ensure_images()
    with step("images on the node", quiet_below=1.0):
        place.load(found.values())
    with step("installed the chart", quiet_below=1.0):
        install(place.kubeconfig, found, place.port)
    with step("applied the scripted model and the example", quiet_below=1.0):
        apply(place.kubeconfig, found)
    cluster = connect(str(place.kubeconfig), None)
    try:
        with step("workspace and agent ready", quiet_below=1.0):
            wait_ready(cluster)
        return report(cluster, place)
    finally:
        cluster.close()


def values(found: Found, port: int) -> dict[str, Any]:
    """The chart's values for this cluster: our own images, and addresses that this host can reach."""
    return {
        "image": _image(found["agentos-operator"]),
        # Images that were built here may be tried out; nobody else can put one under this name.
        "runtime": {"image": _image(found["agentos-runtime"]), "allowedImages": ["localhost/"]},
        "database": {"embedded": {"image": _image(found["agentos-postgres"])}},
        "routing": {
            "baseDomain": BASE_DOMAIN,
            "port": port,
            # Where its proxies and DNS are, the operator finds out.
            "gateway": {"name": addons.GATEWAY_NAME, "namespace": addons.GATEWAY_NAMESPACE},
        },
    }


def _image(image: ImageArchive) -> dict[str, str]:
    repository, _, tag = image.ref.rpartition(":")
    return {"repository": repository, "tag": tag}


def install(kubeconfig: Path, found: Found, port: int, chart: Path = CHART) -> None:
    """Install or upgrade the release, unless it is what the chart and the values say already.

    Helm makes a new revision even of nothing; so the release's description holds a digest of both.
    """
    text = yaml.safe_dump(values(found, port))
    key = images_recipes.short_hash({"chart": images_recipes.digest(chart), "values": text})
    if installed(kubeconfig) == key:
        return
    command = ["upgrade", "--install", RELEASE, str(chart), "-n", NAMESPACE, "--create-namespace"]
    advice = f"See `helm -n {NAMESPACE} history {RELEASE}`; `make down` and `make up` start afresh."
    helm(kubeconfig, *command, "--description", key, "-f", "-", stdin=text, advice=advice)


def upgrade(kubeconfig: Path, found: Found, port: int, sections: Mapping[str, Mapping[str, Any]]) -> None:
    """Upgrade with these values on top, section by section; `install` puts it back."""
    changed = values(found, port)
    for name, section in sections.items():
        changed[name] = {**changed.get(name, {}), **section}
    command = ("upgrade", RELEASE, str(CHART), "-n", NAMESPACE, "-f", "-")
    helm(kubeconfig, *command, stdin=yaml.safe_dump(changed))


def installed(kubeconfig: Path) -> str:
    """The description of the release as it is now, empty when there is none that works."""
    listed = json.loads(helm(kubeconfig, "list", "-n", NAMESPACE, "--deployed", "-o", "json"))
    if not any(release["name"] == RELEASE for release in listed):
        return ""
    found = json.loads(helm(kubeconfig, "status", RELEASE, "-n", NAMESPACE, "-o", "json"))
    return str(found["info"]["description"])


def revision(kubeconfig: Path) -> str:
    """The number of the release as it is now, which `helm rollback` takes."""
    found = json.loads(helm(kubeconfig, "status", RELEASE, "-n", NAMESPACE, "-o", "json"))
    return str(found["version"])


def helm(kubeconfig: Path, *arguments: str, stdin: str | None = None, advice: str = "") -> str:
    """Run helm on the cluster."""
    binary = toolchain.ensure(["helm"])["helm"]
    advice = advice or "Check that the cluster answers: `kubectl get nodes`."
    return call([binary, "--kubeconfig", kubeconfig, *arguments], stdin=stdin, advice=advice)


def apply(kubeconfig: Path, found: Found) -> None:
    """The scripted model and the two examples, as `kubectl apply` would; again and again without effect."""
    model = addons.manifest("fake-model", {"IMAGE": found["agentos-fake-model"].ref})
    texts = [model, *(path.read_text() for path in EXAMPLES)]
    addons.kubectl_apply(toolchain.ensure(["kubectl"])["kubectl"], kubeconfig, "\n---\n".join(texts))


@dataclass(frozen=True)
class Awaited:
    """One resource that shall become ready."""

    title: str
    kind: Kind
    name: str
    namespace: str | None


AWAITED = (
    Awaited("workspace acme", WORKSPACE, "acme", None),
    Awaited("agent support", AGENT_DEPLOYMENT, "support", "ws-acme"),
)


def wait_ready(cluster: KubernetesCluster) -> None:
    """Wait for both resources, telling each change of what they wait for."""
    for awaited in AWAITED:
        try:
            wait_until(
                _watcher(cluster, awaited),
                what=awaited.title,
                timeout=READY_SECONDS,
                advice=_advice(),
                every=0.2,
            )
        except StepFailedError as error:
            why = f"{error.why}; this is what there is:\n{_tree(cluster)}"
            raise StepFailedError(why, error.advice) from error


def _watcher(cluster: KubernetesCluster, awaited: Awaited) -> Callable[[], bool]:
    """A question for `wait_until` that says what has changed since it was asked last."""
    told = ""

    def ready() -> bool:
        nonlocal told
        state, text = readiness(_read(cluster, awaited))
        if not state and text != told:
            told = text
            say(f"    {awaited.title}: {text}")
        return state

    return ready


def _read(cluster: KubernetesCluster, awaited: Awaited) -> dict[str, Any]:
    try:
        return cluster.get(awaited.kind, awaited.name, awaited.namespace)
    except (NotFound, NotInstalled, Unreachable):
        return {}


def readiness(item: dict[str, Any]) -> tuple[bool, str]:
    """Whether the operator has made this generation ready, and if not, why."""
    conditions = item.get("status", {}).get("conditions", [])
    ready = next((one for one in conditions if one["type"] == "Ready"), None)
    if ready is None or ready.get("observedGeneration") != item["metadata"]["generation"]:
        return False, "the operator has not seen it yet"
    return ready["status"] == "True", f"{ready['reason']}: {ready['message']}"


def _advice() -> str:
    return (
        f"See the operator's log: `kubectl -n {NAMESPACE} logs deployment/{RELEASE}-operator`, "
        f"and its pods: `kubectl -n {NAMESPACE} get pods`. `make up` goes on from here."
    )


def _tree(cluster: KubernetesCluster) -> str:
    try:
        text = lines.render([status.tree(status.gather(cluster, "acme"))], lines.Style())
    except CliError as error:
        text = str(error)
    return "\n".join(f"    {line}" for line in text.splitlines())


def report(cluster: KubernetesCluster, place: Place) -> str:
    """What is ready, and the agent's answer to one question."""
    url = _url(cluster, place.port)
    wish = token.Wish("acme", "alice", ("agents:run",), timedelta(minutes=5))
    answer = ask(url, place.port, token.mint(cluster, wish, int(time.time())))
    return (
        "workspace acme      Ready   namespace ws-acme\n"
        f"agent     support   Ready   {url}\n"
        f"alice asks          {QUESTION}\n"
        f"support answers     {answer}\n"
    )


def _url(cluster: KubernetesCluster, port: int) -> str:
    """The agent's address, once the operator has learned of a port that changed."""
    found: list[str] = []

    def current() -> bool:
        found[:] = [str(cluster.get(AGENT_DEPLOYMENT, "support", "ws-acme")["status"].get("url", ""))]
        return urlsplit(found[0]).port == port

    wait_until(current, what="the agent's address", timeout=60, advice=_advice())
    return found[0]


def ask(url: str, port: int, signed: str) -> str:
    """The agent's answer, through the gateway.

    The gateway's proxies learn of a new route a moment after the Gateway has accepted it, so what they answer
    themselves until then (404 and 503) is asked again.
    """
    answers: list[tuple[int, str]] = []

    def answered() -> bool:
        answers.append(_post(url, port, signed))
        return answers[-1][0] not in (0, 404, 503)

    advice = f"See `kubectl -n ws-acme logs deployment/support` and `kubectl -n {NAMESPACE} get pods`."
    try:
        wait_until(answered, what=url, timeout=30, advice=advice)
    except StepFailedError as error:
        raise StepFailedError(f"{url} answered {answers[-1][0]}: {answers[-1][1][:500]}", advice) from error
    code, body = answers[-1]
    if code != 200:
        raise StepFailedError(f"{url} answered {code}: {body[:500]}", advice)
    return str(json.loads(body)["content"])


def _post(url: str, port: int, signed: str) -> tuple[int, str]:
    """One question over loopback, whatever the resolver makes of names below localhost; 0 means no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    form = urlencode({"message": QUESTION, "stream": "false", "session_id": "quick-start"})
    headers = {
        "Host": urlsplit(url).netloc,
        "Authorization": f"Bearer {signed}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    try:
        connection.request("POST", "/agents/support/runs", form, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()
