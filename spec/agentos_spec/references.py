"""Whether what a document names by id is in it: members of teams, who runs steps of workflows, whom schedules ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agentos_spec.errors import SpecError, SpecReason, did_you_mean
from agentos_spec.model import Spec, StepSpec
from agentos_spec.waiting import check_waiting

MOST_PARTS = 2_000
"""Places that name somebody, counted with all that is in whom they name. Each becomes an object of its own, and a team
in two teams that are in two teams is there four times: without a bound a short document fills the memory."""


@dataclass(frozen=True)
class _Use:
    """One place that names something."""

    kinds: tuple[str, ...]
    id: str
    path: str


def check_references(spec: Spec) -> None:
    """Raise a SpecError for the first name that stands for nothing, for two, or for itself."""
    known = _known(spec)
    _check_knowledge(spec)
    uses = {**_of_teams(spec), **_of_workflows(spec)}
    for places in uses.values():
        for use in places:
            _check_exists(use, known)
    for schedule in spec.schedules:
        _check_exists(_Use((schedule.kind,), schedule.target, f"{schedule.path}.{schedule.kind}"), known)
    _check_cycles(uses)
    _check_size(uses)
    check_waiting(spec)


def _known(spec: Spec) -> dict[str, str]:
    """Every id, and whose it is. All share one space: a step or a member names an id alone."""
    known: dict[str, str] = {}
    for kind, parts in (("agent", spec.agents), ("team", spec.teams), ("workflow", spec.workflows)):
        for part in parts:
            if part.id in known:
                both = f"two {kind}s" if known[part.id] == kind else f"a {kind} and an earlier {known[part.id]}"
                _refuse(f"spec.{kind}s", f"{both} have the id {part.id!r}; give each its own")
            known[part.id] = kind
    return known


def _check_knowledge(spec: Spec) -> None:
    """Ids of knowledge are a space of their own: an agent may be called as what it searches."""
    ids = [each.id for each in spec.knowledge]
    for place, id_ in enumerate(ids):
        if ids.index(id_) != place:
            _refuse("spec.knowledge", f"two entries have the id {id_!r}; give each its own")
    for part in (*spec.agents, *spec.teams):
        if part.knowledge is not None and part.knowledge not in ids:
            there = f"; there are {', '.join(ids)}" if ids else "; there is none"
            hint = did_you_mean(part.knowledge, ids) or there
            _refuse(f"{part.path}.knowledge", f"{part.knowledge!r} is no knowledge of this document{hint}")


def _of_teams(spec: Spec) -> dict[str, list[_Use]]:
    return {
        team.id: [
            _Use(("agent", "team"), member, f"{team.path}.members[{place}]")
            for place, member in enumerate(team.members)
        ]
        for team in spec.teams
    }


def _of_workflows(spec: Spec) -> dict[str, list[_Use]]:
    return {workflow.id: list(_executors(list(workflow.all_steps()))) for workflow in spec.workflows}


def _executors(steps: Sequence[StepSpec]) -> Iterator[_Use]:
    for step in steps:
        for kind, id_ in (("agent", step.agent), ("team", step.team), ("workflow", step.workflow)):
            if id_ is not None:
                yield _Use((kind,), id_, f"{step.path}.{kind}")


def _check_exists(use: _Use, known: Mapping[str, str]) -> None:
    fitting = [id_ for id_, kind in known.items() if kind in use.kinds]
    if use.id in fitting:
        return
    if use.id in known:
        _refuse(use.path, f"{use.id!r} is {_one(known[use.id])}, and this names {' or '.join(map(_one, use.kinds))}")
    hint = did_you_mean(use.id, fitting) or (f"; there are {', '.join(fitting)}" if fitting else "; there is none")
    _refuse(use.path, f"{use.id!r} is no {' or '.join(use.kinds)} of this document{hint}")


def _one(kind: str) -> str:
    return f"an {kind}" if kind == "agent" else f"a {kind}"


def _check_cycles(uses: Mapping[str, Sequence[_Use]]) -> None:
    """A team that is its own member, a workflow that is its own step, at whatever distance."""

    followed: set[str] = set()  # or what is named from many places would be followed from each

    def visit(id_: str, way: tuple[str, ...]) -> None:
        if id_ in followed:
            return
        for use in uses.get(id_, ()):
            if use.id in way:
                circle = " -> ".join([*way[way.index(use.id) :], use.id])
                _refuse(use.path, f"closes the circle {circle}; take one of them out")
            visit(use.id, (*way, use.id))
        followed.add(id_)

    for id_ in uses:
        visit(id_, (id_,))


def _check_size(uses: Mapping[str, Sequence[_Use]]) -> None:
    """Whether all of it can be made; there are no circles any more."""
    sizes: dict[str, int] = {}

    def size(id_: str) -> int:
        if id_ not in sizes:
            sizes[id_] = sum(1 + size(use.id) for use in uses.get(id_, ()))
        return sizes[id_]

    whole = 0
    for id_, places in uses.items():
        whole += size(id_)
        if whole > MOST_PARTS:
            _refuse(
                places[0].path,
                f"{id_!r} has {size(id_):,} members and steps, those of its teams and workflows counted at every place "
                f"that names them, and with what stands before it that is {whole:,}; a deployment may have at most "
                f"{MOST_PARTS:,}. Name teams and workflows from fewer places, or divide them among AgentDeployments",
            )


def _refuse(path: str, problem: str) -> None:
    raise SpecError(SpecReason.INVALID_SPEC, f"{path}: {problem}")
