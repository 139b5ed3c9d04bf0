"""The operator's frame: events mark the right keys, and leadership, work and the end of both fit together."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from agentos_operator import service
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.clients.postgres import PostgresServer
from agentos_operator.errors import ApiUnavailable
from agentos_operator.leader import Leadership
from agentos_operator.reconcile import handover
from agentos_operator.service import STUCK_SECONDS, Operator
from agentos_operator.settings import Settings
from agentos_operator.workqueue import Key

Object = dict[str, Any]
WORKSPACE, DEPLOYMENT = "agentos.hyvve.io/workspace", "agentos.hyvve.io/deployment"


class RecordingQueue:
    """Stands in for the queue: notes what was marked, and works until it is cancelled or breaks."""

    marked: list[Key]
    busy: set[Key]
    waiting = 0
    oldest_seconds = 0.0
    breaks = False

    def __init__(self, *_: object) -> None:
        self.marked = []
        self.rests: dict[Key, float] = {}
        self.busy = set()
        self.working = False

    def mark(self, key: Key) -> None:
        self.marked.append(key)

    def rest(self, key: Key, seconds: float) -> None:
        self.rests[key] = seconds

    def resting(self) -> dict[Key, float]:
        return self.rests

    async def run(self, workers: int) -> None:
        self.working = True
        try:
            if self.breaks:
                raise RuntimeError("planted")
            await asyncio.Event().wait()
        finally:
            self.working = False


class ScriptedLeadership:
    """Leads when told to, holds until told otherwise."""

    def __init__(self) -> None:
        self.may_lead, self.lost = asyncio.Event(), asyncio.Event()
        self.released = False
        self.broken: Exception | None = None
        self.release_fails = False

    async def acquire(self) -> None:
        await self.may_lead.wait()
        if self.broken:
            raise self.broken

    async def hold(self) -> None:
        await self.lost.wait()

    async def release(self) -> None:
        if self.release_fails:
            raise ApiUnavailable("no answer")
        self.released = True


class Closable:
    """A connection that knows whether it was closed."""

    closed = False

    async def close(self) -> None:
        self.closed = True


class Frame:
    """An operator among stand-ins."""

    def __init__(self, settings: Settings) -> None:
        self.leadership = ScriptedLeadership()
        self.kubernetes, self.database = Closable(), Closable()
        self.stopped = asyncio.Event()
        self.operator = Operator(
            cast("Kubernetes", self.kubernetes),
            {"default": cast("PostgresServer", self.database)},
            settings,
            cast("Leadership", self.leadership),
            self.stopped.set,
        )
        self.queue = cast("RecordingQueue", self.operator._queue)
        self.taken: dict[Key, float] | ApiUnavailable = {}
        self.left: list[dict[Key, float]] = []

    async def take(self, _: object) -> dict[Key, float]:
        """What an earlier operator has left."""
        if isinstance(self.taken, ApiUnavailable):
            raise self.taken
        return self.taken

    async def leave(self, _: object, resting: dict[Key, float]) -> None:
        """What this one leaves."""
        if isinstance(self.taken, ApiUnavailable):
            raise self.taken
        self.left.append(resting)

    async def lead(self) -> None:
        """Start, and come as far as working."""
        await self.operator.start()
        self.leadership.may_lead.set()
        while not self.queue.working:  # noqa: ASYNC110 - a few turns of the loop, no time
            await asyncio.sleep(0)


@pytest.fixture
def frame(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Frame:
    """An operator that has not started, and knows its surroundings."""

    async def known(_: object) -> None:
        pass

    monkeypatch.setattr(service, "Queue", RecordingQueue)
    monkeypatch.setattr(service, "look_around_first", known)
    frame = Frame(settings)
    monkeypatch.setattr(handover, "take", frame.take)
    monkeypatch.setattr(handover, "leave", frame.leave)
    return frame


def child(labels: Object | None, **metadata: Any) -> Object:
    """An event's body."""
    body: Object = {"kind": "Service", "metadata": {"name": "x", "namespace": "ws-acme", "resourceVersion": "5"}}
    body["metadata"] |= metadata | ({} if labels is None else {"labels": labels})
    return body


async def test_a_resource_marks_itself(frame: Frame) -> None:
    frame.operator.resource_changed({"kind": "Workspace", "metadata": {"name": "acme", "resourceVersion": "1"}})
    metadata = {"name": "a", "namespace": "ws-acme", "resourceVersion": "2"}
    frame.operator.resource_changed({"kind": "AgentDeployment", "metadata": metadata})
    assert frame.queue.marked == [Key("Workspace", None, "acme"), Key("AgentDeployment", "ws-acme", "a")]


@pytest.mark.parametrize(
    ("labels", "marked"),
    [
        ({WORKSPACE: "acme"}, [Key("Workspace", None, "acme")]),
        ({WORKSPACE: "acme", DEPLOYMENT: "support"}, [Key("AgentDeployment", "ws-acme", "support")]),
        ({DEPLOYMENT: "support"}, []),
        ({"app": "else"}, []),
        ({}, []),
        (None, []),
    ],
)
@pytest.mark.parametrize("deleted", [True, False])
async def test_a_child_marks_the_resource_that_its_labels_name(
    frame: Frame, labels: Object | None, marked: list[Key], deleted: bool
) -> None:
    frame.operator.child_changed(child(labels), deleted=deleted)
    assert frame.queue.marked == marked


async def test_a_forged_label_leads_to_a_look_at_the_named_workspace_and_to_nothing_else(frame: Frame) -> None:
    frame.operator.child_changed(child({WORKSPACE: "victim"}, namespace="ws-thief"), deleted=False)
    assert frame.queue.marked == [Key("Workspace", None, "victim")]


async def test_drift_is_noted_before_the_key_is_marked(frame: Frame) -> None:
    ledger = frame.operator._context.ledger
    owners = [{"kind": "Workspace", "name": "acme", "uid": "o"}]
    desired = child({WORKSPACE: "acme"}, ownerReferences=owners)
    ledger.record(desired, child({WORKSPACE: "acme"}, uid="u", ownerReferences=owners))
    same = child({WORKSPACE: "acme"}, resourceVersion="6", uid="u", ownerReferences=owners)
    frame.operator.child_changed(same, deleted=False)
    assert ledger.is_current(desired)
    frame.operator.child_changed(child({WORKSPACE: "acme", "new": "x"}, resourceVersion="7", uid="u"), deleted=False)
    assert not ledger.is_current(desired)


async def test_a_replica_that_does_not_lead_watches_and_does_not_work(frame: Frame) -> None:
    await frame.operator.start()
    frame.operator.resource_changed({"kind": "Workspace", "metadata": {"name": "acme", "resourceVersion": "1"}})
    await asyncio.sleep(0)
    assert frame.queue.marked
    assert not frame.queue.working
    await frame.operator.stop()
    assert not frame.leadership.released, "what it does not hold it does not release"


async def test_stopping_a_leader_ends_its_work_then_releases_then_closes(frame: Frame) -> None:
    await frame.lead()
    await frame.operator.stop()
    assert not frame.queue.working
    assert frame.leadership.released
    assert frame.kubernetes.closed
    assert frame.database.closed
    assert not frame.stopped.is_set(), "being told to stop is no failure"


async def test_connections_are_closed_even_if_the_lease_cannot_be_released(frame: Frame) -> None:
    await frame.lead()
    frame.leadership.release_fails = True
    await frame.operator.stop()
    assert frame.kubernetes.closed
    assert frame.database.closed


async def test_losing_leadership_ends_the_work_and_the_process(frame: Frame) -> None:
    await frame.lead()
    frame.leadership.lost.set()
    await frame.stopped.wait()
    assert not frame.queue.working
    await frame.operator.stop()
    assert not frame.leadership.released, "another replica may hold it by now"


async def test_a_queue_that_breaks_ends_the_process_instead_of_leading_without_working(
    frame: Frame, caplog: pytest.LogCaptureFixture
) -> None:
    frame.queue.breaks = True
    await frame.operator.start()
    frame.leadership.may_lead.set()
    await frame.stopped.wait()
    await frame.operator.stop()
    assert "leading failed: RuntimeError" in caplog.text
    assert "planted" not in caplog.text


async def test_a_candidate_that_breaks_ends_the_process_instead_of_waiting_for_ever(frame: Frame) -> None:
    frame.leadership.broken = RuntimeError("planted-secret")
    await frame.operator.start()
    frame.leadership.may_lead.set()
    async with asyncio.timeout(10):
        await frame.stopped.wait()
    await frame.operator.stop()


async def test_only_a_leader_can_be_stuck(frame: Frame) -> None:
    frame.queue.oldest_seconds = 2 * STUCK_SECONDS
    assert frame.operator.check_queue() == 2 * STUCK_SECONDS
    await frame.lead()
    with pytest.raises(RuntimeError, match="600 seconds"):
        frame.operator.check_queue()
    frame.queue.oldest_seconds = 1.0
    assert frame.operator.check_queue() == 1.0
    await frame.operator.stop()


# What tells nothing new leads to no work.


def applied(frame: Frame, **metadata: Any) -> Object:
    """A Service of the workspace acme, as it was recorded at version 5."""
    owner = {
        "apiVersion": "agentos.hyvve.io/v1alpha1",
        "kind": "Workspace",
        "name": "acme",
        "uid": "o",
        "controller": True,
    }
    body = child({WORKSPACE: "acme"}, uid="u", ownerReferences=[owner], **metadata)
    frame.operator._context.ledger.record(body, body)
    return body


async def test_the_event_of_a_childs_own_apply_marks_nobody(frame: Frame) -> None:
    frame.operator.child_changed(applied(frame), deleted=False)
    assert frame.queue.marked == []


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_change_or_the_end_of_a_child_marks_its_owner(frame: Frame, deleted: bool) -> None:
    body = applied(frame)
    changed = {**body, "metadata": {**body["metadata"], "resourceVersion": "6"}, "spec": {"type": "ExternalName"}}
    frame.operator.child_changed(changed, deleted=deleted)
    assert frame.queue.marked == [Key("Workspace", None, "acme")]


async def test_an_event_about_a_role_binding_ends_belief_in_what_was_looked_at(frame: Frame) -> None:
    looks = frame.operator._context.looks
    looks.note("o", "members", frozenset(), True)
    owner = {"kind": "Workspace", "name": "acme", "uid": "o"}
    frame.operator.child_changed({**child({}, ownerReferences=[owner]), "kind": "RoleBinding"}, deleted=False)
    assert looks.recall("o", "members", frozenset()) is None


ACME, SUPPORT = Key("Workspace", None, "acme"), Key("AgentDeployment", "ws-acme", "support")


async def test_what_an_earlier_operator_left_at_rest_is_not_begun_with(frame: Frame) -> None:
    frame.taken = {ACME: 70.0}
    await frame.lead()
    assert frame.queue.rests == {ACME: 70.0}
    assert b'agentos_operator_taken_over_total{kind="Workspace"} 1.0' in frame.operator.metrics.exposition()
    await frame.operator.stop()


async def test_an_end_in_order_leaves_what_is_at_rest_and_is_not_being_asked_about(frame: Frame) -> None:
    await frame.lead()
    frame.queue.rests = {ACME: 70.0, SUPPORT: 30.0}
    cast("RecordingQueue", frame.operator._inquiries).busy.add(SUPPORT)
    await frame.operator.stop()
    assert frame.left == [{ACME: 70.0}]
    assert frame.leadership.released


async def test_whoever_does_not_lead_leaves_nothing(frame: Frame) -> None:
    await frame.operator.start()
    await frame.operator.stop()
    assert frame.left == []


async def test_work_begins_and_ends_without_a_record(frame: Frame) -> None:
    frame.taken = ApiUnavailable("no answer")
    await frame.lead()
    await frame.operator.stop()
    assert frame.leadership.released


async def test_the_same_state_told_again_marks_nobody(frame: Frame) -> None:
    resource: Object = {"kind": "Workspace", "metadata": {"name": "acme", "resourceVersion": "1"}}
    for _ in range(2):
        frame.operator.resource_changed(resource)
        frame.operator.child_changed(child({WORKSPACE: "acme", DEPLOYMENT: "support"}), deleted=False)
    assert frame.queue.marked == [ACME, SUPPORT]


async def test_lost_children_are_looked_for_where_a_watch_began_again_and_once_in_a_while_everywhere(
    frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    enough, swept = asyncio.Event(), list[set[str] | None]()

    async def note(_: object, kinds: set[str] | None) -> None:
        swept.append(kinds)
        if len(swept) in (1, 3):
            frame.operator.child_changed(child({WORKSPACE: "acme"}), deleted=False, listed=True)
        if len(swept) > service.FULL_SWEEP_EVERY:
            enough.set()

    async def known(_: object) -> None:
        pass

    monkeypatch.setattr(service, "SWEEP_SHARE", 0)
    monkeypatch.setattr(service, "sweep", note)
    monkeypatch.setattr(service, "look_around", known)
    await frame.lead()
    await asyncio.wait_for(enough.wait(), 10)
    await frame.operator.stop()
    nowhere = [set[str]()] * (service.FULL_SWEEP_EVERY - 4)
    assert swept[: service.FULL_SWEEP_EVERY + 1] == [None, {"Service"}, set(), {"Service"}, *nowhere, None]
