"""Why a deployment's pods do not answer, read from what the kubelet and the runtime themselves say; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentos_operator import reasons
from agentos_operator.desired.deployment import RUNTIME
from agentos_operator.resources.common import Object
from agentos_operator.resources.untrusted import one_line

CONFIGURATION_EXIT_CODE = 78
"""EX_CONFIG of sysexits.h: the runtime could not use its spec; its last words are one line of JSON."""
LONGEST_MESSAGE = 600

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}$")
_MOST_DIGESTS = 20
_PULL_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})


@dataclass(frozen=True)
class Trouble:
    """What keeps a pod from answering."""

    reason: str
    message: str
    stalled: bool
    """Whether it stays so until somebody changes something."""


def find_trouble(pods: Sequence[Object]) -> Trouble | None:
    """The first thing known to be wrong with a pod of the newest revision that is not ready, the newest pod first."""
    living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    newest_first = sorted(living, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    for pod in newest_first:
        if _revision(pod) == _revision(newest_first[0]) and (trouble := next(_troubles(pod), None)):
            return trouble
    return None


def addresses(pods: Sequence[Object]) -> list[str]:
    """Of the pods that answer, the newest first; as the kubelet has reported them."""
    newest_first = sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    return [str(pod["status"]["podIP"]) for pod in newest_first if is_answering(pod)]


def is_answering(pod: Object) -> bool:
    """Whether it is ready, has an address and is not on its way out."""
    status = pod.get("status", {})
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", ()))
    return ready and bool(status.get("podIP")) and "deletionTimestamp" not in pod["metadata"]


def image_digests(pods: Sequence[Object]) -> list[str]:
    """What nodes have pulled for the pods that answer, as their kubelets say it; each once, in a stable order."""
    statuses = [each for pod in pods for each in pod.get("status", {}).get("containerStatuses", ())]
    ids = (str(each.get("imageID", "")) for each in statuses if each["name"] == RUNTIME and each.get("ready"))
    return sorted({found.group() for each in ids if (found := _DIGEST.search(each))})[:_MOST_DIGESTS]


def _revision(pod: Object) -> str | None:
    """Which ReplicaSet of the Deployment made the pod."""
    revision: str | None = pod["metadata"].get("labels", {}).get("pod-template-hash")
    return revision


def _troubles(pod: Object) -> Iterator[Trouble]:
    status = pod.get("status", {})
    for container in status.get("containerStatuses", ()):
        if container.get("ready"):
            continue
        yield from _last_words(container)
        yield from _waiting(container)
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = condition.get("message", "no node has room")
            yield Trouble(reasons.UNSCHEDULABLE, f"A pod finds no node: {message}", stalled=False)


def _last_words(container: Object) -> Iterator[Trouble]:
    ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
    if ended is None:
        return
    if ended["exitCode"] == CONFIGURATION_EXIT_CODE and (trouble := _said_by_runtime(ended.get("message", ""))):
        yield trouble
    else:
        said = _short(ended.get("message", "")) or "see the pod's log"
        yield Trouble(
            reasons.CONTAINER_FAILED,
            f"The runtime ended with exit code {ended['exitCode']} ({ended.get('reason', 'Error')}): {said}",
            stalled=False,
        )


def _said_by_runtime(message: str) -> Trouble | None:
    """A tenant may run an image of its own, so what it says is only believed within bounds."""
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        return None
    reason = said.get("reason") if isinstance(said, dict) else None
    if not isinstance(reason, str) or reason not in reasons.RUNTIME_REASONS:
        return None
    return Trouble(reason, _short(str(said.get("message", ""))), stalled=True)


def _waiting(container: Object) -> Iterator[Trouble]:
    waiting = container.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), _short(waiting.get("message", ""))
    if reason in _PULL_REASONS:
        yield Trouble(
            reasons.IMAGE_PULL_FAILED,
            f"Image {container['image']} cannot be pulled ({reason}): {message}",
            stalled=True,
        )
    elif reason not in ("", "ContainerCreating", "PodInitializing", "CrashLoopBackOff"):
        yield Trouble(reasons.CONTAINER_FAILED, f"The container cannot start ({reason}): {message}", stalled=False)


def _short(text: str) -> str:
    return one_line(text, LONGEST_MESSAGE)
