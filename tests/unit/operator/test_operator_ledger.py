"""The ledger knows what was applied: nothing is written twice, and every difference leads to a new apply."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from agentos_operator.ledger import ChildRef, Ledger, reference_of

Object = dict[str, Any]
OWNER = {"kind": "AgentDeployment", "name": "support", "uid": "o"}
DESIRED: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "support", "namespace": "ws-acme", "labels": {"a": "b"}, "ownerReferences": [OWNER]},
    "spec": {"replicas": 1},
}


def stored(version: int = 10, **changes: Any) -> Object:
    """DESIRED as the API server answers it, with defaults, and with ``changes`` to its metadata."""
    body = copy.deepcopy(DESIRED)
    body["metadata"] |= {"uid": "child-uid", "resourceVersion": str(version), "generation": 1} | changes
    body["spec"]["progressDeadlineSeconds"] = 600
    return body


@pytest.fixture
def ledger() -> Ledger:
    """One that has just recorded DESIRED at version 10."""
    ledger = Ledger()
    ledger.record(DESIRED, stored())
    return ledger


def test_what_was_never_applied_is_not_current() -> None:
    assert not Ledger().is_current(DESIRED)


def test_what_was_applied_is_current_and_its_uid_is_known(ledger: Ledger) -> None:
    assert ledger.is_current(copy.deepcopy(DESIRED))
    assert ledger.uid("Deployment", "ws-acme", "support") == "child-uid"


def test_a_changed_wish_is_not_current(ledger: Ledger) -> None:
    wish = copy.deepcopy(DESIRED)
    wish["spec"]["replicas"] = 2
    assert not ledger.is_current(wish)


def spoil_spec(body: Object) -> None:
    """Another number of pods."""
    body["spec"]["replicas"] = 5


def spoil_default(body: Object) -> None:
    """A field that we never set."""
    body["spec"]["progressDeadlineSeconds"] = 1


def spoil_label(body: Object) -> None:
    """Another value of a label."""
    body["metadata"]["labels"]["a"] = "z"


def add_label(body: Object) -> None:
    """One more label."""
    body["metadata"]["labels"]["new"] = "x"


def add_annotation(body: Object) -> None:
    """One annotation."""
    body["metadata"]["annotations"] = {"nginx.ingress.kubernetes.io/server-snippet": "x"}


def drop_owner(body: Object) -> None:
    """The owner is gone."""
    body["metadata"]["ownerReferences"] = []


@pytest.mark.parametrize("spoil", [spoil_spec, spoil_default, spoil_label, add_label, add_annotation, drop_owner])
def test_a_change_by_hand_is_drift(ledger: Ledger, spoil: Any) -> None:
    live = stored(11)
    spoil(live)
    ledger.observe(live, deleted=False)
    assert not ledger.is_current(DESIRED)


@pytest.mark.parametrize(
    "changes",
    [
        {"annotations": {"deployment.kubernetes.io/revision": "3"}},
        {"managedFields": [{"manager": "kube-controller-manager"}]},
        {"generation": 9},
    ],
)
def test_what_controllers_write_as_their_own_work_is_no_drift(ledger: Ledger, changes: Object) -> None:
    ledger.observe(stored(11, **changes), deleted=False)
    assert ledger.is_current(DESIRED)


def test_a_status_is_no_drift(ledger: Ledger) -> None:
    ledger.observe(stored(11) | {"status": {"readyReplicas": 1}}, deleted=False)
    assert ledger.is_current(DESIRED)


@pytest.mark.parametrize("version", [9, 10])
def test_an_event_from_before_the_apply_is_ignored(ledger: Ledger, version: int) -> None:
    live = stored(version)
    spoil_spec(live)
    ledger.observe(live, deleted=False)
    assert ledger.is_current(DESIRED)


def test_versions_are_compared_as_numbers(ledger: Ledger) -> None:
    live = stored(100)
    spoil_spec(live)
    ledger.observe(live, deleted=False)
    assert not ledger.is_current(DESIRED), "as text, 100 comes before 11 but 9 after it"


def test_a_deletion_makes_the_next_apply_happen(ledger: Ledger) -> None:
    ledger.observe(stored(11), deleted=True)
    assert not ledger.is_current(DESIRED)


def test_the_late_deletion_of_a_predecessor_does_not_disturb_its_successor(ledger: Ledger) -> None:
    ledger.observe(stored(9), deleted=True)
    assert ledger.is_current(DESIRED)


def test_an_event_about_an_object_of_another_name_or_namespace_changes_nothing(ledger: Ledger) -> None:
    for change in ({"name": "other"}, {"namespace": "ws-other"}):
        live = stored(11, **change)
        spoil_spec(live)
        ledger.observe(live, deleted=False)
    assert ledger.is_current(DESIRED)


def test_a_read_that_finds_nothing_makes_the_next_apply_happen(ledger: Ledger) -> None:
    ledger.miss("Deployment", "ws-acme", "support")
    assert not ledger.is_current(DESIRED)
    ledger.miss("Deployment", "ws-acme", "support")


def test_forgetting_a_namespace_forgets_it_and_all_in_it_and_nothing_else() -> None:
    ledger = Ledger()
    bodies: list[Object] = [
        {"kind": "Namespace", "metadata": {"name": "ws-acme", "ownerReferences": [OWNER]}},
        {"kind": "Service", "metadata": {"name": "support", "namespace": "ws-acme", "ownerReferences": [OWNER]}},
        {"kind": "Service", "metadata": {"name": "support", "namespace": "ws-other", "ownerReferences": [OWNER]}},
    ]
    for body in bodies:
        ledger.record(body, {**body, "metadata": body["metadata"] | {"uid": "u", "resourceVersion": "1"}})
    ledger.forget("ws-acme")
    assert [ledger.is_current(body) for body in bodies] == [False, False, True]


def test_a_child_is_known_by_kind_namespace_and_name() -> None:
    assert reference_of(DESIRED) == ChildRef("Deployment", "ws-acme", "support")
    assert reference_of({"kind": "Namespace", "metadata": {"name": "x"}}) == ChildRef("Namespace", None, "x")


@pytest.mark.parametrize("deleted", [False, True])
def test_a_change_that_is_told_before_the_answer_to_our_apply_is_not_lost(ledger: Ledger, deleted: bool) -> None:
    ledger.begin(DESIRED)
    changed = stored(12)
    changed["spec"]["replicas"] = 5
    ledger.observe(changed, deleted=deleted)
    ledger.record(DESIRED, stored(11))
    assert not ledger.is_current(DESIRED)


def test_what_controllers_write_between_our_apply_and_its_answer_is_no_difference(ledger: Ledger) -> None:
    ledger.begin(DESIRED)
    ledger.observe({**stored(12), "status": {"replicas": 1}}, deleted=False)
    ledger.record(DESIRED, stored(11))
    assert ledger.is_current(DESIRED)


def test_what_was_told_before_our_apply_is_no_difference_to_it(ledger: Ledger) -> None:
    changed = stored(12)
    changed["spec"]["replicas"] = 5
    ledger.observe(changed, deleted=False)
    ledger.begin(DESIRED)
    ledger.record(DESIRED, stored(13))
    assert ledger.is_current(DESIRED)
