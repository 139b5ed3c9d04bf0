"""Which workspaces there are and what happens to them, round by round; pure, and the same for the same seed.

A round begins and ends with every workspace there and at work, so that what is measured between two rounds is measured
of the same state each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

REAL = 4
"""Workspaces whose pods are real ones: a runtime takes 150 MB, and two cores start one in some seconds."""
MOST = 200
"""Workspaces that PostgreSQL and the pretended nodes of the soak have room for."""
_EACH_DATABASE = 10
"""One workspace of so many has a database of its own."""
_STEPS = (0, 1, 2, 3)
_WEIGHTS = (3, 4, 2, 1)
_HASTE = 0.25
"""Share of the steps after which the next one does not wait for the operator."""
_ACTING = 0.8
"""Share of a round in which steps begin; in the rest of it the last ones take effect."""


_SIGNING_SECONDS = 200.0
"""A rotation of the signing secret takes as long with tokens that live for a minute: it is to end with the round."""


class Action(StrEnum):
    """What a platform's people and its nodes do to a workspace."""

    MAKE = "make"
    LIMIT = "change the workspace"
    INSTRUCT = "change the agent"
    ROTATE = "rotate the login"
    ROTATE_ALL = "rotate the login and the signing secret"
    SUSPEND = "suspend"
    RESUME = "resume"
    RETAIN = "delete with Retain"
    DROP = "delete with Delete"
    KILL_PODS = "kill the pods"


_ENDS = (Action.RETAIN, Action.DROP)
_OF_ALL = (Action.LIMIT, Action.INSTRUCT, *_ENDS)
_AWAKE = (*_OF_ALL, Action.ROTATE, Action.SUSPEND, Action.KILL_PODS)
_ASLEEP = (*_OF_ALL, Action.RESUME)


@dataclass(frozen=True)
class Subject:
    """One workspace, whoever has its name at the time."""

    name: str
    real: bool
    """Whether a kubelet runs its pods; kwok pretends to run those of others."""
    isolation: str
    """Of its data: Schema or Database."""


@dataclass(frozen=True)
class Step:
    """One action."""

    action: Action
    after: float
    """Seconds after the beginning of the round; later when the step before takes longer."""
    hasty: bool
    """Whether the next step comes before this one has taken effect."""
    value: int
    """What tells one change from another."""


def subjects_of(count: int) -> list[Subject]:
    """The workspaces; the first are real."""
    return [
        Subject(f"soak-{number}", number < REAL, "Database" if number % _EACH_DATABASE == 1 else "Schema")
        for number in range(count)
    ]


def round_of(seed: int, number: int, subjects: Sequence[Subject], seconds: float) -> Mapping[str, Sequence[Step]]:
    """What happens to each in one round, in its order."""
    r = Random(f"{seed} {number}")
    return {subject.name: list(_steps(r, seconds)) for subject in subjects}


def counted(rounds: Iterable[Mapping[str, Sequence[Step]]]) -> dict[str, int]:
    """How often each action is among them."""
    tally = Counter(step.action for each in rounds for steps in each.values() for step in steps)
    return {action.value: tally[action] for action in Action if tally[action]}


def _steps(r: Random, seconds: float) -> Iterable[Step]:
    actions = _actions(r, r.choices(_STEPS, _WEIGHTS)[0])
    times = sorted(r.uniform(0, seconds * _ACTING) for _ in actions)
    for place, (action, after) in enumerate(zip(actions, times, strict=True)):
        # Nothing follows the last one, and only who waits for the end of a deletion can make the workspace anew.
        patient = action in _ENDS or place == len(actions) - 1
        whole = action is Action.ROTATE and after + _SIGNING_SECONDS <= seconds
        taken = Action.ROTATE_ALL if whole else action
        yield Step(taken, after, not patient and r.random() < _HASTE, r.randrange(10**6))


def _actions(r: Random, count: int) -> list[Action]:
    """So many by chance, and those that bring the workspace back to where it was."""
    found: list[Action] = []
    there, asleep = True, False
    while len(found) < count or asleep or not there:
        if not there:
            action = Action.MAKE
        elif len(found) >= count:
            action = Action.RESUME
        else:
            action = r.choice(_ASLEEP if asleep else _AWAKE)
        there = action not in _ENDS
        asleep = there and (asleep or action is Action.SUSPEND) and action is not Action.RESUME
        found.append(action)
    return found
