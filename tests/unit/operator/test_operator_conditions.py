"""Conditions follow from aspects: Ready sums up, Reconciling and Stalled exist only while they are true."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from agentos_operator import reasons
from agentos_operator.conditions import (
    SUSPENDED,
    Aspect,
    build_conditions,
    failed,
    held,
    is_ready,
    waiting,
    with_transition_times,
)

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 23, 13, 0, 0, tzinfo=UTC)


def by_type(conditions: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The conditions by their type, which is unique in a list of type map."""
    found = {condition["type"]: condition for condition in conditions}
    assert len(found) == len(conditions)
    return found


def test_all_aspects_hold_so_only_ready_stands_above_them() -> None:
    found = by_type(build_conditions([held("A", "a is there"), held("B", "b is there")], "All is well.", 7))
    assert found.keys() == {"Ready", "A", "B"}
    assert {condition["status"] for condition in found.values()} == {"True"}
    assert found["Ready"]["message"] == "All is well."
    assert {condition["observedGeneration"] for condition in found.values()} == {7}


def test_a_failure_that_heals_by_itself_is_reconciling_and_says_why_in_ready() -> None:
    found = by_type(build_conditions([held("A", ""), failed("B", "Cause", "Do this.")], "", 1))
    assert found.keys() == {"Ready", "Reconciling", "A", "B"}
    assert (found["Ready"]["status"], found["Ready"]["reason"], found["Ready"]["message"]) == (
        "False",
        "Cause",
        "Do this.",
    )
    assert found["Reconciling"]["status"] == "True"


def test_a_failure_that_needs_a_person_is_stalled_and_not_reconciling() -> None:
    found = by_type(build_conditions([failed("A", "Cause", "Do this.", stalled=True)], "", 1))
    assert "Reconciling" not in found
    assert (found["Stalled"]["status"], found["Stalled"]["reason"]) == ("True", "Cause")


def test_the_first_aspect_that_does_not_hold_is_the_cause_and_later_ones_do_not_hide_it() -> None:
    aspects = [failed("A", "First", "first"), failed("B", "Second", "second", stalled=True), waiting("C", "A")]
    found = by_type(build_conditions(aspects, "", 1))
    assert found["Ready"]["reason"] == "First"
    assert "Stalled" not in found
    assert (found["C"]["status"], found["C"]["reason"]) == ("Unknown", reasons.WAITING)
    assert "A" in found["C"]["message"]


def test_an_aspect_that_is_only_told_does_not_keep_the_resource_from_being_ready() -> None:
    told = Aspect("Told", False, "Cause", "look at it", required=False)
    found = by_type(build_conditions([held("A", "a is there"), told], "All is well.", 1))
    assert (found["Ready"]["status"], found["Told"]["status"]) == ("True", "False")
    assert not {"Reconciling", "Stalled"} & found.keys()


def test_what_is_suspended_and_at_rest_is_ready_for_that_reason() -> None:
    at_rest = held(SUSPENDED, "No pod runs.", reasons.SUSPENDED)
    found = by_type(build_conditions([held("A", ""), at_rest], "All is well.", 1))
    assert (found["Ready"]["status"], found["Ready"]["reason"]) == ("True", "Suspended")
    assert found["Ready"]["message"] == "No pod runs."


def test_what_is_suspended_and_not_at_rest_is_not_ready_yet() -> None:
    found = by_type(build_conditions([failed(SUSPENDED, reasons.STOPPING, "one pod is left")], "", 1))
    assert (found["Ready"]["status"], found["Ready"]["reason"]) == ("False", "Stopping")


def test_what_could_not_be_read_is_unknown_and_never_false() -> None:
    aspects = [held("A", ""), Aspect("B", None, reasons.API_UNAVAILABLE, "no answer")]
    found = by_type(build_conditions(aspects, "", 1))
    assert found["Ready"]["status"] == found["B"]["status"] == "Unknown"
    assert found["Reconciling"]["status"] == "True"
    assert not is_ready(list(found.values()))


def test_a_transition_time_is_kept_while_the_status_stays_even_if_the_reason_changes() -> None:
    before = with_transition_times(build_conditions([failed("A", "One", "one")], "", 1), [], NOON)
    after = by_type(with_transition_times(build_conditions([failed("A", "Two", "two")], "", 2), before, LATER))
    assert after["A"]["lastTransitionTime"] == "2026-11-23T12:00:00Z"
    assert after["A"]["reason"] == "Two"


def test_a_transition_time_moves_when_the_status_changes_and_starts_anew_for_a_condition_that_comes_back() -> None:
    before = with_transition_times(build_conditions([failed("A", "One", "one")], "", 1), [], NOON)
    healed = with_transition_times(build_conditions([held("A", "fine")], "fine", 1), before, LATER)
    assert {condition["lastTransitionTime"] for condition in healed} == {"2026-11-23T13:00:00Z"}
    assert "Reconciling" not in by_type(healed), "kstatus reads a condition of status False as noise"


def test_ready_is_what_the_condition_says_and_nothing_else() -> None:
    assert is_ready(build_conditions([held("A", "")], "", 1))
    assert not is_ready(build_conditions([failed("A", "R", "")], "", 1))
    assert not is_ready([])


def test_every_reason_fits_the_pattern_that_the_schema_demands() -> None:
    found = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
    assert found
    assert all(value.isalnum() and value[0].isupper() for value in found | reasons.RUNTIME_REASONS)
