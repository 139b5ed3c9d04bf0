"""`agentosctl rollout`: the history of an AgentDeployment, the way back in it, and waiting for a roll-out.

The operator keeps each spec that it has rolled out as a ControllerRevision. Going back is a change of the
AgentDeployment's spec like any other, by the caller and with the caller's rights; the operator rolls it out.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentosctl import duration
from agentosctl.cluster import AGENT_DEPLOYMENT, CONTROLLER_REVISION, Cluster, Resource
from agentosctl.errors import CliError, Refused
from agentosctl.lines import plain
from agentosctl.table import table
from agentosctl.token import namespace_of

POLL_SECONDS = 1.0
DEPLOYMENT_LABEL = "agentos.hyvve.io/deployment"
NOT_ROLLED = frozenset({"replicas", "autoscaling", "suspended", "routing"})
"""Fields of the spec that no revision has: how many pods there are, and where callers find them."""
HEADINGS = ("REVISION", "MADE AT", "CHANGES")

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """An AgentDeployment, as a person names it."""

    workspace: str
    name: str

    @property
    def namespace(self) -> str:
        """The Namespace that it lies in."""
        return namespace_of(self.workspace)

    def __str__(self) -> str:
        return f"{self.workspace}/{self.name}"


@dataclass(frozen=True)
class Revision:
    """One entry of the history."""

    number: int
    made_at: str
    spec: Spec


@dataclass(frozen=True)
class Found:
    """An AgentDeployment and its history, the oldest revision first."""

    deployment: Resource
    revisions: Sequence[Revision]

    @property
    def spec(self) -> Spec:
        """What a revision of the spec as it stands now would have."""
        return {name: value for name, value in self.deployment["spec"].items() if name not in NOT_ROLLED}

    def revision(self, number: int) -> Revision:
        """The revision of this number."""
        for each in self.revisions:
            if each.number == number:
                return each
        known = ", ".join(str(each.number) for each in self.revisions) or "none"
        raise CliError(f"there is no revision {number}; there are: {known}")

    def before(self) -> Revision:
        """The newest revision that says something else than the spec does now."""
        for each in reversed(self.revisions):
            if each.spec != self.spec:
                return each
        raise CliError("there is no earlier revision to go back to")


def parse_place(text: str) -> Place:
    """`acme/support`; ValueError for anything else."""
    found = re.fullmatch(r"([a-z][a-z0-9-]*)/([a-z][a-z0-9-]*)", text)
    if not found:
        raise ValueError(f"{text!r} must name a workspace and an AgentDeployment of it, such as acme/support")
    return Place(*found.groups())


def gather(cluster: Cluster, place: Place) -> Found:
    """What there is of it."""
    deployment = cluster.get(AGENT_DEPLOYMENT, place.name, place.namespace)
    uid = deployment["metadata"]["uid"]
    found = cluster.list(CONTROLLER_REVISION, place.namespace, f"{DEPLOYMENT_LABEL}={place.name}")
    revisions = [_revision(each) for each in found if _belongs_to(each, uid)]
    return Found(deployment, sorted(revisions, key=lambda each: each.number))


def _belongs_to(revision: Resource, uid: str) -> bool:
    """A label proves nothing; an AgentDeployment made anew under a name does not go back to another's past."""
    return any(each["uid"] == uid for each in revision["metadata"].get("ownerReferences", ()))


def _revision(body: Resource) -> Revision:
    return Revision(int(body["revision"]), str(body["metadata"].get("creationTimestamp", "")), body["data"]["spec"])


def history(found: Found) -> str:
    """All revisions with what each has changed; and a word where the spec is none of them."""
    if not found.revisions:
        return "Nothing was rolled out yet.\n"
    rows = []
    for number, each in enumerate(found.revisions):
        changed = ", ".join(differing(found.revisions[number - 1].spec, each.spec)) if number else "-"
        rows.append((str(each.number), each.made_at, changed))
    return table(HEADINGS, rows) + _pending(found)


def _pending(found: Found) -> str:
    newest = found.revisions[-1]
    changed = ", ".join(differing(newest.spec, found.spec))
    return (
        f"The spec differs from revision {newest.number} ({changed}) and was not rolled out yet.\n" if changed else ""
    )


def differing(one: Spec, other: Spec) -> list[str]:
    """Fields of the spec that are not the same."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def document(spec: Spec) -> str:
    """The spec as YAML."""
    import yaml  # noqa: PLC0415 - slow to import, and no other command needs it

    return yaml.safe_dump(dict(spec), sort_keys=True, allow_unicode=True)


def difference(found: Found, revision: Revision) -> str:
    """What going back to a revision would change, as a unified diff; empty when nothing."""
    now, then = (document(spec).splitlines(keepends=True) for spec in (found.spec, revision.spec))
    return "".join(difflib.unified_diff(now, then, "the spec now", f"revision {revision.number}"))


def undo(cluster: Cluster, place: Place, number: int | None) -> str:
    """Have the spec say what a revision said; the one before when none is named."""
    found = gather(cluster, place)
    revision = found.before() if number is None else found.revision(number)
    changed = differing(found.spec, revision.spec)
    if not changed:
        return f"{place} says what revision {revision.number} says: nothing is to be done\n"
    try:
        cluster.amend(AGENT_DEPLOYMENT, place.name, place.namespace, _operations(found, revision.spec, changed))
    except Refused as error:
        if gather(cluster, place).deployment["metadata"]["generation"] != found.deployment["metadata"]["generation"]:
            raise CliError(f"somebody has changed {place} at this moment: look at it and try again") from error
        raise
    return f"{place} says what revision {revision.number} said ({', '.join(changed)}); it is being rolled out\n"


def _operations(found: Found, spec: Spec, changed: Iterable[str]) -> list[Resource]:
    """JSON Patch (RFC 6902): whole fields, where a merge would leave what the revision did not have."""
    generation = found.deployment["metadata"]["generation"]
    return [
        {"op": "test", "path": "/metadata/generation", "value": generation},
        *(
            {"op": "add", "path": f"/spec/{name}", "value": spec[name]}
            if name in spec
            else {"op": "remove", "path": f"/spec/{name}"}
            for name in changed
        ),
    ]


def wait(
    cluster: Cluster,
    place: Place,
    limit: timedelta | None,
    tell: Callable[[str], object],
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Tell each change of what the roll-out waits for, until all pods are of the newest revision and answer."""
    told, began = "", clock()
    while True:
        deployment = cluster.get(AGENT_DEPLOYMENT, place.name, place.namespace)
        said = _conditions(deployment)
        text = plain(str(said.get("Ready", {}).get("message", "The operator has not seen it yet; is it running?")))
        if said.get("Ready", {}).get("status") == "True":
            return f"{place} is rolled out: {text}\n"
        if said.get("Stalled", {}).get("status") == "True":
            raise CliError(f"{place} stays as it is until somebody changes something. {text}")
        if limit is not None and clock() - began >= limit.total_seconds():
            raise CliError(f"{place} was not rolled out within {duration.text(limit)}. {text}")
        if text != told:
            told = text
            tell(text)
        pause(POLL_SECONDS)


def _conditions(deployment: Resource) -> dict[str, Resource]:
    """What was said about the newest spec; nothing, where only an earlier one was looked at."""
    generation = deployment["metadata"]["generation"]
    said = deployment.get("status", {}).get("conditions", ())
    return {each["type"]: each for each in said if each.get("observedGeneration") == generation}
