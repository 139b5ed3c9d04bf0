"""What came, changed or went without an event is found by the sweep, and only whom it concerns is looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, WATCHED, WORKSPACE, Kind
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.errors import ApiError, ApiUnavailable, NotFound
from agentos_operator.ledger import Ledger
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.sweep import sweep
from agentos_operator.settings import Settings
from agentos_operator.workqueue import Key

Object = dict[str, Any]


class Metadata:
    """An API server that has objects of some kinds, and may fail in the middle of a list."""

    def __init__(self) -> None:
        self.present: dict[str, list[Object]] = {}
        self.error: ApiError | None = None
        self.asked: list[str] = []

    async def metadata(self, kind: Kind, labels: Mapping[str, str]) -> AsyncIterator[Object]:
        resources = kind.kind in ("Workspace", "AgentDeployment")
        assert labels == ({} if resources else {"app.kubernetes.io/managed-by": "agentos-operator"})
        self.asked.append(kind.kind)
        for body in self.present.get(kind.kind, ()):
            yield body
            if self.error:
                raise self.error
        if self.error:
            raise self.error


def child(kind: str, name: str, owner: str, namespace: str | None = "ws-acme", version: int = 1) -> Object:
    named = "support" if owner == "AgentDeployment" else "acme"
    version_of_ours = "agentos.hyvve.io/v1alpha1"
    owners = [{"apiVersion": version_of_ours, "kind": owner, "name": named, "uid": "o", "controller": True}]
    metadata = {"name": name, "uid": "u", "resourceVersion": str(version), "ownerReferences": owners}
    return {"kind": kind, "metadata": metadata | ({"namespace": namespace} if namespace else {})}


def resource(kind: str, name: str, namespace: str | None, version: int = 1) -> Object:
    metadata = {"name": name, "uid": "o", "resourceVersion": str(version)}
    return {"kind": kind, "metadata": metadata | ({"namespace": namespace} if namespace else {})}


ACME, SUPPORT = Key("Workspace", None, "acme"), Key("AgentDeployment", "ws-acme", "support")
SERVICE = child("Service", "support", "AgentDeployment")
QUOTA = child("ResourceQuota", "agentos-operator", "Workspace")
NAMESPACE = child("Namespace", "ws-acme", "Workspace", None)
RESOURCES = resource("Workspace", "acme", None), resource("AgentDeployment", "support", "ws-acme")


class Scene:
    """What was applied, what is there, and whom the sweep marks."""

    def __init__(self, settings: Settings) -> None:
        self.api, self.ledger, self.marked = Metadata(), Ledger(), list[Key]()
        self.api.present = {body["kind"]: [body] for body in (SERVICE, QUOTA, NAMESPACE, *RESOURCES)}
        for body in (SERVICE, QUOTA, NAMESPACE):
            self.ledger.record(body, body)
        self.context = Context(
            kubernetes=cast("Kubernetes", self.api),
            databases={},
            settings=settings,
            ledger=self.ledger,
            now=lambda: datetime.now(UTC),
            monotonic=lambda: 0.0,
            mark=self.marked.append,
        )
        for body in (SERVICE, QUOTA, NAMESPACE, *RESOURCES):
            self.context.sightings.add(body, {"acme"})


@pytest.fixture
def scene(settings: Settings) -> Scene:
    """All that was applied is there, and all that is there was told of."""
    return Scene(settings)


async def test_what_is_as_it_was_told_costs_one_list_of_each_kind_and_nothing_else(scene: Scene) -> None:
    await sweep(scene.context)
    assert sorted(scene.api.asked) == sorted(kind.kind for kind in (WORKSPACE, AGENT_DEPLOYMENT, *WATCHED))
    assert scene.marked == []


async def test_a_watch_that_began_again_costs_a_list_of_its_own_kind(scene: Scene) -> None:
    del scene.api.present["Service"], scene.api.present["Namespace"]
    await sweep(scene.context, {"Service"})
    assert scene.api.asked == ["Service"]
    assert scene.marked == [SUPPORT]


async def test_a_watch_that_began_again_of_a_kind_that_nobody_has_costs_nothing(scene: Scene) -> None:
    await sweep(scene.context, {"LimitRange"})
    assert scene.api.asked == []


@pytest.mark.parametrize(
    ("gone", "owner"),
    [
        (SERVICE, SUPPORT),
        (QUOTA, ACME),
        (NAMESPACE, ACME),
    ],
)
async def test_the_owner_of_what_is_gone_is_looked_at_and_writes_it_again(
    scene: Scene, gone: Object, owner: Key
) -> None:
    del scene.api.present[gone["kind"]]
    await sweep(scene.context)
    assert scene.marked == [owner]
    assert [scene.ledger.is_current(body) for body in (SERVICE, QUOTA, NAMESPACE)].count(False) == 1
    assert not scene.ledger.is_current(gone)


@pytest.mark.parametrize(
    ("changed", "concerned"),
    [
        (child("Service", "support", "AgentDeployment", version=2), SUPPORT),
        (child("ResourceQuota", "agentos-operator", "Workspace", version=2), ACME),
        (resource("Workspace", "acme", None, 2), ACME),
        (resource("AgentDeployment", "support", "ws-acme", 2), SUPPORT),
    ],
)
async def test_what_was_changed_without_an_event_is_looked_at_once(
    scene: Scene, changed: Object, concerned: Key
) -> None:
    scene.api.present[changed["kind"]] = [changed]
    for _ in range(2):
        await sweep(scene.context)
    assert scene.marked == [concerned]
    assert not scene.ledger.is_current(changed), "what was applied is read again"


async def test_a_resource_that_came_without_an_event_is_looked_at(scene: Scene) -> None:
    scene.api.present["AgentDeployment"].append(resource("AgentDeployment", "sales", "ws-acme"))
    await sweep(scene.context)
    assert scene.marked == [Key("AgentDeployment", "ws-acme", "sales")]


async def test_a_resource_that_went_without_an_event_is_looked_at(scene: Scene) -> None:
    scene.api.present["AgentDeployment"] = []
    for _ in range(2):
        await sweep(scene.context)
    assert scene.marked == [SUPPORT]


async def test_a_list_that_is_older_than_an_event_is_no_news(scene: Scene) -> None:
    scene.context.sightings.note(child("Service", "support", "AgentDeployment", version=10), {"acme"}, deleted=False)
    scene.api.present["Service"] = [child("Service", "support", "AgentDeployment", version=9)]
    await sweep(scene.context)
    assert scene.marked == []


async def test_a_watch_that_began_again_has_told_of_changes_itself(scene: Scene) -> None:
    scene.api.present["Service"] = [child("Service", "support", "AgentDeployment", version=2)]
    await sweep(scene.context, {"Service"})
    assert scene.marked == []


async def test_a_kind_that_was_taken_out_of_the_cluster_is_gone_with_all_its_objects(scene: Scene) -> None:
    scene.api.error = NotFound("no such kind")
    await sweep(scene.context, {"Service", "ResourceQuota", "Namespace"})
    assert set(scene.marked) == {ACME, SUPPORT}


async def test_an_api_server_that_does_not_answer_proves_nothing(scene: Scene) -> None:
    scene.api.error = ApiUnavailable("no answer")
    await sweep(scene.context)
    assert scene.marked == []
    assert scene.ledger.is_current(SERVICE)


async def test_what_was_taken_over_and_is_gone_has_its_whole_workspace_looked_at(scene: Scene) -> None:
    """Nothing was applied by this operator that would tell whose it was."""
    scene.context.sightings.add(child("LimitRange", "agentos-operator", "Workspace"), {"acme"})
    for _ in range(2):
        await sweep(scene.context)
        assert sorted(scene.marked) == [SUPPORT, ACME]
