"""A child that went without an event is missed by the sweep, and only its owner is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from agentos_operator.clients.kinds import Kind
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.errors import ApiError, ApiUnavailable, NotFound
from agentos_operator.ledger import Ledger
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.sweep import sweep
from agentos_operator.settings import Settings
from agentos_operator.workqueue import Key

Object = dict[str, Any]


class Names:
    """An API server that has objects of some kinds, and may fail."""

    def __init__(self) -> None:
        self.present: dict[str, set[tuple[str | None, str]]] = {}
        self.error: ApiError | None = None
        self.asked: list[str] = []

    async def names(self, kind: Kind, labels: Mapping[str, str]) -> set[tuple[str | None, str]]:
        assert labels == {"app.kubernetes.io/managed-by": "agentos-operator"}
        self.asked.append(kind.kind)
        if self.error:
            raise self.error
        return self.present.get(kind.kind, set())


def child(kind: str, name: str, owner: str, namespace: str | None = "ws-acme") -> Object:
    owners = [{"kind": owner, "name": "support" if owner == "AgentDeployment" else "acme", "uid": "o"}]
    metadata = {"name": name, "uid": "u", "resourceVersion": "1", "ownerReferences": owners}
    return {"kind": kind, "metadata": metadata | ({"namespace": namespace} if namespace else {})}


SERVICE = child("Service", "support", "AgentDeployment")
QUOTA = child("ResourceQuota", "agentos-operator", "Workspace")
NAMESPACE = child("Namespace", "ws-acme", "Workspace", None)


class Scene:
    """What was applied, what is there, and whom the sweep marks."""

    def __init__(self, settings: Settings) -> None:
        self.api, self.ledger, self.marked = Names(), Ledger(), list[Key]()
        for body in (SERVICE, QUOTA, NAMESPACE):
            self.ledger.record(body, body)
            metadata = body["metadata"]
            self.api.present[body["kind"]] = {(metadata.get("namespace"), metadata["name"])}
        self.context = Context(
            kubernetes=cast("Kubernetes", self.api),
            databases={},
            settings=settings,
            ledger=self.ledger,
            now=lambda: datetime.now(UTC),
            monotonic=lambda: 0.0,
            mark=self.marked.append,
        )


@pytest.fixture
def scene(settings: Settings) -> Scene:
    """All that was applied is there."""
    return Scene(settings)


async def test_what_is_there_costs_one_list_of_each_kind_and_nothing_else(scene: Scene) -> None:
    await sweep(scene.context)
    assert sorted(scene.api.asked) == ["Namespace", "ResourceQuota", "Service"]
    assert scene.marked == []


async def test_a_watch_that_began_again_costs_a_list_of_its_own_kind(scene: Scene) -> None:
    del scene.api.present["Service"], scene.api.present["Namespace"]
    await sweep(scene.context, {"Service"})
    assert scene.api.asked == ["Service"]
    assert scene.marked == [Key("AgentDeployment", "ws-acme", "support")]


@pytest.mark.parametrize(
    ("gone", "owner"),
    [
        (SERVICE, Key("AgentDeployment", "ws-acme", "support")),
        (QUOTA, Key("Workspace", None, "acme")),
        (NAMESPACE, Key("Workspace", None, "acme")),
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


async def test_a_kind_that_was_taken_out_of_the_cluster_is_gone_with_all_its_objects(scene: Scene) -> None:
    scene.api.error = NotFound("no such kind")
    await sweep(scene.context)
    assert len(scene.marked) == 3


async def test_an_api_server_that_does_not_answer_proves_nothing(scene: Scene) -> None:
    scene.api.error = ApiUnavailable("no answer")
    await sweep(scene.context)
    assert scene.marked == []
    assert scene.ledger.is_current(SERVICE)


async def test_what_was_taken_over_and_is_gone_has_its_whole_workspace_looked_at(scene: Scene) -> None:
    """Nothing was applied by this operator that would tell whose it was."""
    resource: Object = {"kind": "Workspace", "metadata": {"name": "acme", "resourceVersion": "1"}}
    for body in (resource, child("LimitRange", "agentos-operator", "Workspace")):
        scene.context.sightings.add(body, {"acme"})
    for _ in range(2):
        await sweep(scene.context)
        assert scene.marked == [Key("Workspace", None, "acme")]
