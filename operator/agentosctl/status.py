"""`agentosctl status`: what exists for a workspace, as a tree of lines.

`gather` reads, `tree` arranges what was read, `render` prints it; only `gather` knows a cluster. Every part is read
with the caller's rights, and a part that may not be read says so in its place: a tenant sees their namespace although
the Workspace itself is not theirs to see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from agentosctl.cluster import AGENT_DEPLOYMENT, NAMESPACE, POD, WORKSPACE, Cluster, Resource
from agentosctl.errors import Forbidden, NotFound
from agentosctl.lines import Line, Mood
from agentosctl.token import namespace_of

T = TypeVar("T")

DEPLOYMENT_LABEL = "agentos.hyvve.io/deployment"
OURS = "app.kubernetes.io/managed-by=agentos-operator"
ABNORMAL = frozenset({"Reconciling", "Stalled"})
"""Conditions that are bad news while they are true (kstatus)."""

_VERSIONS = {"runtimeVersion": "runtime", "agnoVersion": "agno"}


@dataclass(frozen=True)
class Denied:
    """Stands for a part that the caller may not read."""

    why: str


@dataclass(frozen=True)
class Found:
    """Everything read about one workspace."""

    name: str
    workspace: Resource | Denied
    namespace: Resource | Denied | None
    deployments: list[Resource] | Denied
    pods: list[Resource] | Denied


def gather(cluster: Cluster, name: str) -> Found:
    """What the caller may see of one workspace; NotFound when it does not exist."""
    namespace = namespace_of(name)
    workspace = _allowed(lambda: cluster.get(WORKSPACE, name))
    return Found(
        name,
        workspace,
        _allowed(lambda: _or_none(lambda: cluster.get(NAMESPACE, namespace))),
        _allowed(lambda: cluster.list(AGENT_DEPLOYMENT, namespace)),
        _allowed(lambda: cluster.list(POD, namespace, OURS)),
    )


def gather_all(cluster: Cluster) -> list[Found]:
    """Every workspace, with one request for each kind however many there are."""
    workspaces = sorted(cluster.list(WORKSPACE), key=_name)
    namespaces = _allowed(lambda: {_name(item): item for item in cluster.list(NAMESPACE, labels=OURS)})
    deployments = _allowed(lambda: cluster.list(AGENT_DEPLOYMENT))
    pods = _allowed(lambda: cluster.list(POD, labels=OURS))
    return [
        Found(
            _name(item),
            item,
            namespaces if isinstance(namespaces, Denied) else namespaces.get(namespace_of(_name(item))),
            _within(deployments, namespace_of(_name(item))),
            _within(pods, namespace_of(_name(item))),
        )
        for item in workspaces
    ]


def _allowed(read: Callable[[], T]) -> T | Denied:
    try:
        return read()
    except Forbidden as error:
        return Denied(str(error))


def _or_none(read: Callable[[], Resource]) -> Resource | None:
    try:
        return read()
    except NotFound:
        return None


def _within(items: list[Resource] | Denied, namespace: str) -> list[Resource] | Denied:
    if isinstance(items, Denied):
        return items
    return [item for item in items if item["metadata"]["namespace"] == namespace]


def _name(item: Resource) -> str:
    return str(item["metadata"]["name"])


def tree(found: Found) -> Line:
    """The workspace with everything below it."""
    children = [*_database(found.workspace), _namespace(found), *_deployments(found)]
    title = f"Workspace {found.name}"
    if isinstance(found.workspace, Denied):
        return Line(title, "unknown", found.workspace.why, Mood.UNSURE, children)
    name = str(found.workspace.get("spec", {}).get("displayName", ""))
    return _with_readiness(title, found.workspace, name, children)


def _with_readiness(title: str, item: Resource, detail: str, children: list[Line]) -> Line:
    """A line for one of our resources: Ready or why not, its conditions first among its children."""
    if "deletionTimestamp" in item["metadata"]:
        return Line(title, "Deleting", detail, Mood.UNSURE, [*_conditions(item), *children])
    ready = next((one for one in _conditions_of(item) if one["type"] == "Ready"), None)
    if ready is None:
        text = "the operator has not seen it yet; is it running?"
        return Line(title, "unknown", text, Mood.UNSURE, children)
    state, mood = _READINESS[ready["status"]]
    return Line(title, state, detail or ready["reason"], mood, [*_conditions(item), *children])


_READINESS = {"True": ("Ready", Mood.GOOD), "False": ("not Ready", Mood.BAD), "Unknown": ("unknown", Mood.UNSURE)}


def _conditions_of(item: Resource) -> list[dict[str, str]]:
    return list(item.get("status", {}).get("conditions", []))


def _conditions(item: Resource) -> list[Line]:
    return [
        Line(one["type"], one["status"], f"{one['reason']}: {one['message']}".rstrip(": "), _mood(one))
        for one in _conditions_of(item)
    ]


def _mood(condition: dict[str, str]) -> Mood:
    if condition["status"] == "Unknown":
        return Mood.UNSURE
    return Mood.GOOD if (condition["status"] == "True") != (condition["type"] in ABNORMAL) else Mood.BAD


def _database(workspace: Resource | Denied) -> list[Line]:
    if isinstance(workspace, Denied):
        return []
    database = workspace.get("status", {}).get("database", {})
    server = database.get("server") or workspace.get("spec", {}).get("database", {}).get("server", "default")
    known = [f"{part} {database[part]}" for part in ("database", "schema", "login") if database.get(part)]
    return [Line(f"Database {server}", "", ", ".join(known) or "not made yet", Mood.NONE)]


def _namespace(found: Found) -> Line:
    title = f"Namespace {namespace_of(found.name)}"
    if isinstance(found.namespace, Denied):
        return Line(title, "unknown", found.namespace.why, Mood.UNSURE)
    if found.namespace is None:
        return Line(title, "absent", "", Mood.BAD)
    phase = str(found.namespace.get("status", {}).get("phase", ""))
    return Line(title, phase, "", Mood.GOOD if phase == "Active" else Mood.UNSURE)


def _deployments(found: Found) -> list[Line]:
    if isinstance(found.deployments, Denied):
        return [Line("AgentDeployments", "unknown", found.deployments.why, Mood.UNSURE)]
    return [_deployment(item, found.pods) for item in sorted(found.deployments, key=_name)]


def _deployment(item: Resource, pods: list[Resource] | Denied) -> Line:
    status = item.get("status", {})
    if isinstance(pods, Denied):
        below = [Line("Pods", "unknown", pods.why, Mood.UNSURE)]
    else:
        own = [pod for pod in pods if pod["metadata"].get("labels", {}).get(DEPLOYMENT_LABEL) == _name(item)]
        below = [_pod(pod) for pod in sorted(own, key=_name)]
    return _with_readiness(
        f"AgentDeployment {_name(item)}", item, str(status.get("url", "")), [*_versions(status), *below]
    )


def _versions(status: Resource) -> list[Line]:
    """What answers, where the operator has asked for it."""
    known = [f"{name} {status[field]}" for field, name in _VERSIONS.items() if field in status]
    return [Line("Versions", "", ", ".join(known), Mood.NONE)] if known else []


def _pod(pod: Resource) -> Line:
    state, why = _pod_state(pod)
    containers = pod.get("status", {}).get("containerStatuses", [])
    restarts = sum(int(container.get("restartCount", 0)) for container in containers)
    detail = ", ".join(part for part in (f"{restarts} restarts" if restarts else "", why) if part)
    mood = {"Ready": Mood.GOOD, "Succeeded": Mood.GOOD, "Pending": Mood.UNSURE, "Deleting": Mood.UNSURE}
    return Line(f"Pod {_name(pod)}", state, detail, mood.get(state, Mood.BAD))


def _pod_state(pod: Resource) -> tuple[str, str]:
    """One word on the pod as `kubectl get pods` would say it, and the message behind it."""
    if "deletionTimestamp" in pod["metadata"]:
        return "Deleting", ""
    status = pod.get("status", {})
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            last = container.get("lastState", {}).get("terminated", {})
            return str(waiting["reason"]), str(last.get("message") or waiting.get("message", ""))
    conditions = {one["type"]: one for one in status.get("conditions", [])}
    if conditions.get("Ready", {}).get("status") == "True":
        return "Ready", ""
    unscheduled = conditions.get("PodScheduled", {})
    if unscheduled.get("status") == "False":
        return "Pending", str(unscheduled.get("message", ""))
    phase = str(status.get("phase", "Unknown"))
    return ("not Ready", "") if phase == "Running" else (phase, str(status.get("message", "")))
