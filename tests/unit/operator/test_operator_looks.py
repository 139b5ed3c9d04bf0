"""What was found in order is believed for the same wish and for a while, and not once something has changed."""

from __future__ import annotations

import pytest

from agentos_operator.looks import Looks


class Clock:
    """Stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """At zero."""
    return Clock()


@pytest.fixture
def looks(clock: Clock) -> Looks:
    """One that has just found the history of a deployment to be at its third revision."""
    looks = Looks(clock, 300)
    looks.note("u", "history", "support-1", 3)
    return looks


def test_a_look_is_believed_for_the_same_wish(looks: Looks) -> None:
    assert looks.recall("u", "history", "support-1") == 3


@pytest.mark.parametrize(("uid", "what", "wish"), [("v", "history", "support-1"), ("u", "members", "support-1")])
def test_a_look_says_nothing_about_others(looks: Looks, uid: str, what: str, wish: str) -> None:
    assert looks.recall(uid, what, wish) is None


def test_another_wish_needs_another_look(looks: Looks) -> None:
    assert looks.recall("u", "history", "support-2") is None


def test_a_look_is_not_believed_for_ever(looks: Looks, clock: Clock) -> None:
    clock.now = 300
    assert looks.recall("u", "history", "support-1") is None


def test_what_was_cast_doubt_on_is_looked_at_again(looks: Looks) -> None:
    looks.forget("u")
    assert looks.recall("u", "history", "support-1") is None


def test_a_wish_that_comes_back_after_another_needs_another_look(looks: Looks) -> None:
    looks.recall("u", "history", "support-2")
    assert looks.recall("u", "history", "support-1") is None
