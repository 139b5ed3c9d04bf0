"""Where calls that wait for a decision, and steps that do, may stand: where agno can continue what has paused.

Called by references.py once every name stands for something and nothing goes in circles. The reasons lie in agno's
source; docs/decisions/0044 has the places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import NoReturn

from agentos_spec.errors import SpecError, SpecReason
from agentos_spec.model import ComponentSpec, Spec, StepSpec, TeamSpec, WorkflowSpec


def waiting_parts(spec: Spec) -> frozenset[str]:
    """Ids of the agents and teams whose runs may pause: for calls of their own, or of a member however far down."""
    teams = {team.id: team for team in spec.teams}
    found = {part.id for part in (*spec.agents, *spec.teams) if _waits(part)}
    while more := {id_ for id_, team in teams.items() if id_ not in found and found & set(team.members)}:
        found |= more
    return frozenset(found)


def guarded_parts(spec: Spec) -> dict[str, frozenset[str]]:
    """By the id of whoever is asked, the functions whose calls wait for an approver in its runs, by their names."""
    own = {part.id: {name for tool in part.tools for name in tool.approved} for part in (*spec.agents, *spec.teams)}
    inside: dict[str, Iterable[str]] = {team.id: team.members for team in spec.teams}
    inside |= {each.id: filter(None, map(_executor, each.all_steps())) for each in spec.workflows}

    @cache
    def guarded(id_: str) -> frozenset[str]:
        return frozenset(own.get(id_, ())).union(*map(guarded, inside.get(id_, ())))

    return {id_: guarded(id_) for id_ in spec.ids}


def reviewed_by_approvers(spec: Spec) -> dict[str, frozenset[str]]:
    """By the id of a workflow, the names of its steps that an approver decides about."""
    return {
        each.id: frozenset(step.name for step in each.steps if step.review and step.review.by_approver)
        for each in spec.workflows
    }


def check_waiting(spec: Spec) -> None:
    """Raise a SpecError for the first place from which a pause would be lost."""
    waiting = waiting_parts(spec)
    teams = {team.id: team for team in spec.teams}
    pausing = _pausing(spec, waiting)
    for team in spec.teams:
        if team.id in waiting and team.parameters.get("mode") == "tasks":
            _refuse(
                f"{team.path}.mode",
                f"{team.id!r} has calls that wait for a decision, after which a team does not go on with its tasks; "
                "use coordinate, route or broadcast, or take the calls that wait out of it and its members",
            )
    for workflow in spec.workflows:
        for step in workflow.steps:
            _check_step(workflow, step, waiting, teams)
        for step in workflow.all_steps():
            if step.workflow in pausing:
                _refuse(
                    f"{step.path}.workflow",
                    f"{step.workflow!r} may wait for a decision, and a workflow that is a step of another one is not "
                    "continued; put its steps here in its place, or take what waits out of it",
                )


def _waits(part: ComponentSpec) -> bool:
    return any(tool.requires_confirmation or tool.requires_approval for tool in part.tools)


def _pausing(spec: Spec, waiting: frozenset[str]) -> frozenset[str]:
    """Ids of workflows whose own runs may pause. What has one of them as a step is refused, so no more is followed."""
    return frozenset(
        workflow.id
        for workflow in spec.workflows
        if any(step.review or _executor(step) in waiting for step in workflow.all_steps())
    )


def _executor(step: StepSpec) -> str | None:
    return step.agent or step.team


def _check_step(
    workflow: WorkflowSpec, outer: StepSpec, waiting: frozenset[str], teams: Mapping[str, TeamSpec]
) -> None:
    """One outermost step and all in it."""
    asked = [step for step in outer.all() if _executor(step) is not None]
    for way in _ways(outer):
        step = way[-1]
        executor = _executor(step)
        if executor not in waiting:
            continue
        place = f"{step.path}.{'agent' if step.agent else 'team'}"
        what = f"{executor!r} has calls that wait for a decision"
        if workflow.parameters.get("store_executor_outputs") is False:
            _refuse(place, f"{what}, which are lost with storeExecutorOutputs: false; leave that out of the workflow")
        if step.team and teams[step.team].parameters.get("store_member_responses"):
            _refuse(place, f"{what}, which are not continued with its storeMemberResponses: true; leave that out")
        for kind in filter(None, map(_losing, way)):
            _refuse(place, f"{what}, which are not continued inside of a {kind}; put the step outside of it")
        if asked[0] is not step or not _is_last(way):
            _refuse(
                place,
                f"{what}, so that inside of {outer.name!r} it has to be the first step with an agent or a team, and "
                "the last one; make it, or what stands beside it, a step of the workflow itself",
            )


def _ways(step: StepSpec) -> Iterator[tuple[StepSpec, ...]]:
    """To each step that somebody runs, through those that hold it."""
    if not step.steps and not step.else_steps:
        yield (step,)
    for inside in (*step.steps, *step.else_steps):
        for way in _ways(inside):
            yield (step, *way)


def _losing(step: StepSpec) -> str | None:
    """What a step is called from which whoever pauses in it is not continued as it should be."""
    if step.type == "Router" and step.review and step.review.parameters.get("allow_multiple_selections"):
        return "Router with allowMultipleSelections"
    return step.type if step.type in ("Parallel", "Loop") else None


def _is_last(way: Sequence[StepSpec]) -> bool:
    """Whether nothing is left to do when the last step of a way is done. A Router takes one of its choices."""
    return all(
        outer.type == "Router" or inner in (outer.steps[-1:] + outer.else_steps[-1:]) for outer, inner in pairwise(way)
    )


def _refuse(path: str, problem: str) -> NoReturn:
    raise SpecError(SpecReason.INVALID_SPEC, f"{path}: {problem}")
