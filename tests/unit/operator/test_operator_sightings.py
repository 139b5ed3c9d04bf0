"""What was told of objects: the same state again is no news, and a digest changes with any of them."""

from __future__ import annotations

from typing import Any

import pytest

from agentos_operator.ledger import ChildRef
from agentos_operator.sightings import Sightings

Object = dict[str, Any]
ACME, OTHER = {"acme"}, {"other"}


def body(version: int, name: str = "support", kind: str = "Service") -> Object:
    return {"kind": kind, "metadata": {"name": name, "namespace": "ws-acme", "resourceVersion": str(version)}}


@pytest.fixture
def sightings() -> Sightings:
    found = Sightings()
    found.note(body(5), ACME, deleted=False)
    return found


def test_a_state_is_news_once(sightings: Sightings) -> None:
    assert not sightings.note(body(5), ACME, deleted=False)
    assert sightings.note(body(6), ACME, deleted=False)
    assert not sightings.note(body(6), ACME, deleted=False)


def test_an_end_is_news_and_so_is_what_comes_after_it(sightings: Sightings) -> None:
    assert sightings.note(body(5), ACME, deleted=True)
    assert sightings.note(body(5), ACME, deleted=True)
    assert sightings.note(body(5), ACME, deleted=False)


def test_an_object_that_passes_to_another_workspace_is_news(sightings: Sightings) -> None:
    assert sightings.note(body(5), OTHER, deleted=False)


def test_what_belongs_to_nobody_is_news_each_time(sightings: Sightings) -> None:
    assert [sightings.note(body(5), set(), deleted=False) for _ in range(2)] == [True, True]


@pytest.mark.parametrize(
    "change",
    [
        lambda sightings: sightings.note(body(6), ACME, deleted=False),
        lambda sightings: sightings.note(body(5), ACME, deleted=True),
        lambda sightings: sightings.note(body(5, "second"), ACME, deleted=False),
        lambda sightings: sightings.note(body(5, kind="Deployment"), ACME, deleted=False),
        lambda sightings: sightings.add(body(7, "second"), ACME),
    ],
)
def test_a_digest_changes_with_anything_of_the_workspace(sightings: Sightings, change: Any) -> None:
    before = sightings.digest("acme")
    change(sightings)
    assert sightings.digest("acme") != before


@pytest.mark.parametrize(("listed", "lags"), [(4, False), (5, False), (6, True), (10, True)])
def test_a_list_is_ahead_of_the_events_where_its_version_is_greater(
    sightings: Sightings, listed: int, lags: bool
) -> None:
    assert sightings.lag(body(listed), ACME) is lags


def test_what_was_never_told_of_is_ahead_and_what_belongs_to_nobody_is_not(sightings: Sightings) -> None:
    assert sightings.lag(body(5, "second"), ACME)
    assert sightings.lag(body(5), OTHER)
    assert not sightings.lag(body(6), set())


def test_a_digest_is_of_one_workspace_in_any_order(sightings: Sightings) -> None:
    sightings.note(body(7, "second"), ACME, deleted=False)
    sightings.note(body(8, "third"), OTHER, deleted=False)
    found = Sightings()
    for each in (body(7, "second"), body(5)):
        found.add(each, ACME)
    assert found.digest("acme") == sightings.digest("acme")


def test_what_an_event_told_stands_against_a_list(sightings: Sightings) -> None:
    before, listed = sightings.digest("acme"), Sightings()
    listed.add(body(4), ACME)
    sightings.merge(listed)
    assert sightings.digest("acme") == before
    listed.add(body(4, "second"), ACME)
    sightings.merge(listed)
    assert not sightings.note(body(4, "second"), ACME, deleted=False)


def test_what_is_gone_without_an_event_is_lost_once(sightings: Sightings) -> None:
    lost = ChildRef("Service", "ws-acme", "support")
    assert sightings.references("Service") == {lost}
    assert [sightings.lose(lost) for _ in range(2)] == [ACME, set()]
    assert sightings.references("Service") == set()


def test_workspaces_are_told_with_their_objects_of_some_kinds(sightings: Sightings) -> None:
    sightings.note(body(1, "acme", "Workspace"), ACME, deleted=False)
    sightings.note(body(2, "gone", "Workspace"), {"gone"}, deleted=False)
    sightings.note(body(2, "gone", "Workspace"), {"gone"}, deleted=True)
    assert list(sightings.of_kinds(["Workspace"])) == [("acme", [ChildRef("Workspace", "ws-acme", "acme")])]
