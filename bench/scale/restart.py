"""How long an operator that begins anew needs to know that nothing is to be done, and whether it left all as it was."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from agentos_operator.clients.kinds import (
    AGENT_DEPLOYMENT,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    SECRET,
    WATCHED,
    WORKSPACE,
)
from agentos_operator.naming import FIELD_MANAGER, MANAGED_BY_LABEL
from bench import workspace
from bench.scale import writes
from bench.scale.client import Client
from bench.scale.world import USER, World
from local.steps import wait_until

PATIENCE = 300.0
_ADVICE = "See the operator's log."
_CHILDREN = (*WATCHED, CONFIG_MAP, SECRET, CONTROLLER_REVISION)


@dataclass(frozen=True)
class Restarted:
    """What a restart has cost."""

    seconds: float
    """From the start of the process until every Workspace and AgentDeployment was looked at and found settled."""
    changed: int
    """Children that are not as they were."""
    writes: Mapping[str, int]
    """What the operator asked the API server to write, by resource."""
    requests: int
    cpu_seconds: float


async def restart(client: Client, place: World, workspaces: int) -> Restarted:
    """End the operator and start it again."""
    before = await _versions(client)
    place.operator.stop()
    offset, began = place.audit.stat().st_size, time.monotonic()
    place.operator.start()
    wait_until_settled(place, workspaces)
    seconds = time.monotonic() - began
    cpu = place.operator.cpu_seconds()
    after = await _versions(client)
    asked = list(writes.requests(place.audit, offset))
    changed = sum(before.get(uid) != version for uid, version in after.items()) + len(before.keys() - after.keys())
    own = sum(each.user == USER for each in asked)
    return Restarted(seconds, changed, writes.by_resource(writes.since(place.audit, offset), USER), own, cpu)


def wait_until_settled(place: World, workspaces: int) -> None:
    """Until the operator has looked at as many workspaces with a deployment each, and nothing waits."""
    wait_until(lambda: _settled(place, workspaces), what="a settled operator", timeout=PATIENCE, advice=_ADVICE)


async def _versions(client: Client) -> dict[str, str]:
    """The state of every child, by UID."""
    labels = f"{MANAGED_BY_LABEL}={FIELD_MANAGER}"
    return versions_of(
        [each["metadata"] for kind in _CHILDREN for each in await client.list(kind.path(None, None), labels)]
    )


def versions_of(found: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The resourceVersions of children by UID; what lies beside the operator, its handover above all, is its own."""
    prefix = workspace.namespace_of("")
    return {
        metadata["uid"]: metadata["resourceVersion"]
        for metadata in found
        if metadata.get("namespace", metadata["name"]).startswith(prefix)
    }


def _settled(place: World, workspaces: int) -> bool:
    """Whether nothing waits and everything was looked at."""
    told = _metrics(place.metrics)
    looked = min(told.get(f"settled {kind}", 0) for kind in (WORKSPACE.kind, AGENT_DEPLOYMENT.kind))
    return looked >= workspaces and told.get("waiting") == 0


def _metrics(port: int) -> dict[str, float]:
    """How many keys wait, and how many resources of each kind were found settled, or were taken over so."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "agentos_operator_queue_keys" and sample.labels["queue"] == "reconcile":
                found["waiting"] = sample.value
            if _tells_of_settled(sample):
                what = f"settled {sample.labels['kind']}"
                found[what] = found.get(what, 0) + sample.value
    return found


def _tells_of_settled(sample: Sample) -> bool:
    looked = sample.name == "agentos_operator_reconciliations_total" and sample.labels["result"] == "settled"
    return looked or sample.name == "agentos_operator_taken_over_total"
