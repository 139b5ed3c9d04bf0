"""The part `soak`: workspaces live for hours, and the operator shall neither grow nor leave anything behind.

all are made       and a bystander that nobody touches
round after round  each has its steps (`lives`); in the first quarter of the time the operator is killed now and then,
                   afterwards its process is left alone, so that slopes are those of one long life
                   at the end of a round all are as asked, retained data is taken back, and after some seconds of rest
                   one sample is taken and PostgreSQL compared with what should be in it
all are deleted    the operator is killed meanwhile
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from random import Random
from typing import Any

import aiohttp

from bench import circumstances
from bench.catalog import by_name
from bench.results import Entry, FlawedError, entry
from bench.scale.client import Client
from bench.scale.fleet import WORKSPACES
from bench.soak import left, lives, place
from bench.soak.board import Board
from bench.soak.life import Life, Surroundings
from bench.soak.lives import Action, Subject
from bench.soak.place import SoakPlace
from bench.soak.samples import Sample, Sampler
from bench.soak.slopes import Slope, slope_in
from local.steps import StepFailedError, say

SLOPES = {
    "soak-memory-slope": ("rss_mb",),
    "soak-files-slope": ("files",),
    "soak-connections-slope": ("connections_api", "connections_postgresql", "connections_other"),
    "soak-tasks-slope": ("tasks",),
}
REST_SECONDS = 20.0
"""After the queue is empty; idle connections of the operator's clients close after 15."""
QUEUE_SECONDS = 120.0
_KILLED_SHARE = 0.25
_SHORTEST, _LONGEST = 45.0, 240.0
"""Seconds of a round, of which a short run wants enough for a line, and a long one time for each step."""
_ROUNDS = 24
_BYSTANDER = Subject("soak-bystander", real=False, isolation="Schema")
_TROUBLE = (StepFailedError, aiohttp.ClientError, TimeoutError, OSError)
_ADVICE = (
    "`details.json` names them under soak, with their conditions. Begin the same run with the printed --seed, and look "
    "at the operator's log while it goes on: `kubectl -n agentos-system logs deployment/agentos-operator -f`."
)


@dataclass(frozen=True)
class Plan:
    """How many, how long, and what chance decides."""

    cluster: str = ""
    seconds: float = 7200.0
    workspaces: int = 50
    seed: int = 0

    @property
    def round_seconds(self) -> float:
        """In which the steps of one round begin."""
        return min(_LONGEST, max(_SHORTEST, self.seconds / _ROUNDS))


@dataclass
class Found:
    """What a run came to."""

    seconds: float = 0.0
    actions: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    rounds: int = 0
    wrong: list[str] = field(default_factory=list)
    """At rest or in the end: what is there that should not be, or the other way round."""
    left: dict[str, int] | None = None
    """None before the end was looked at."""


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """The entries, and all samples; FlawedError with both when something was not as it should be."""
    say(f"  seed {plan.seed}: --seed {plan.seed} repeats what is asked for")
    with place.running(plan.cluster) as where:
        return asyncio.run(_measure(plan, where))


async def _measure(plan: Plan, where: SoakPlace) -> tuple[list[Entry], dict[str, Any]]:
    async with Client(where.kubeconfig) as client, Board(client) as board:
        soak = Soak(plan, Surroundings(client, board, where))
        try:
            await soak.run()
        except _TROUBLE as error:
            if not soak.found.rounds:
                raise
            soak.found.wrong.append(f"it ended early: {error or type(error).__name__}")
        finally:
            soak.end()
        version = str((await client.get("/version")).get("gitVersion", ""))
    at = circumstances.now({"kubernetes": version, **circumstances.python("kopf", "aiohttp")})
    slopes = slopes_of(soak.sampler.samples)
    entries = [entry(by_name(name), value, None, at) for name, value in figures(soak.found, slopes).items()]
    details = {
        **{name: getattr(soak.found, name) for name in ("actions", "kills", "rounds", "wrong", "left")},
        "seed": plan.seed,
        "workspaces": plan.workspaces,
        "seconds": round(soak.found.seconds),
        "failures": soak.around.failures,
        "slopes": {name: asdict(slope) for name, slope in slopes.items()},
        "samples": soak.sampler.samples,
        **{"machine": at.machine, "date": at.date, "versions": dict(at.versions)},
    }
    if flaws := [*(f"{each['workspace']}: {each['why']}" for each in soak.around.failures), *soak.found.wrong]:
        raise FlawedError(
            f"{len(flaws)} things are not as they should be:\n  " + "\n  ".join(flaws), _ADVICE, entries, details
        )
    return entries, details


class Soak:
    """One run."""

    def __init__(self, plan: Plan, around: Surroundings) -> None:
        self.around = around
        self.found = Found()
        self.sampler = Sampler(around.client, around.place)
        self._plan = plan
        self._lives = [Life(subject, around) for subject in lives.subjects_of(plan.workspaces)]
        self._bystander = Life(_BYSTANDER, around)
        self._tasks: list[asyncio.Task[None]] = []

    def end(self) -> None:
        """Stop what goes on beside the run."""
        for task in self._tasks:
            task.cancel()

    async def run(self) -> None:
        """From the first workspace to the last look."""
        if others := await self.around.client.list(WORKSPACES):
            why = f"the cluster has workspaces already, such as {others[0]['metadata']['name']}"
            raise StepFailedError(why, "The soak needs a cluster of its own: name none, or one that has none.")
        everybody = [*self._lives, self._bystander]
        await asyncio.gather(*(life.attempt(Action.MAKE, life.make) for life in everybody))
        await asyncio.gather(*(life.settle(Action.MAKE) for life in everybody))
        before = await left.portrait(self.around.client, _BYSTANDER.name)
        say(f"  {len(everybody)} workspaces are ready")
        await self._try_out()
        began = time.monotonic()
        self._tasks.append(asyncio.create_task(self.sampler.keep()))
        while self.found.seconds < self._plan.seconds:
            await self._round(self.found.seconds)
            self.found.seconds = time.monotonic() - began
        after = await left.portrait(self.around.client, _BYSTANDER.name)
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        self.found.wrong += [f"of the bystander this was changed: {name}" for name in changed]
        await self._leave(everybody)

    async def _try_out(self) -> None:
        """One sample before the first round: an instrument that does not work is told now and not after hours."""
        try:
            sample = await self.sampler.rest()
        except _TROUBLE as error:
            why = f"the operator cannot be looked at: {error or type(error).__name__}"
            raise StepFailedError(why, "See its pod: `kubectl -n agentos-system get pods`.") from error
        if "rss_mb" not in sample:
            raise StepFailedError("no process of the operator was found", "The cluster must be on this machine.")

    async def _round(self, elapsed: float) -> None:
        number, seconds = self.found.rounds, self._plan.round_seconds
        steps = lives.round_of(self._plan.seed, number, [life.subject for life in self._lives], seconds)
        kill = elapsed < _KILLED_SHARE * self._plan.seconds
        async with asyncio.TaskGroup() as group:
            for life in self._lives:
                group.create_task(life.live(steps[life.subject.name]))
            if kill:
                group.create_task(self._kill(Random(f"{self._plan.seed} kill {number}").uniform(0.1, 0.8) * seconds))
        for action, count in lives.counted([steps]).items():
            self.found.actions[action] = self.found.actions.get(action, 0) + count
        self.found.rounds += 1
        await asyncio.gather(*(life.settle("the end of the round") for life in self._lives))
        await self._take_back()
        await self._rest()
        say(f"  round {self.found.rounds} after {elapsed:.0f} s: {self._line()}")

    async def _kill(self, after: float) -> None:
        """Every other time the whole pod."""
        await asyncio.sleep(after)
        await self.around.place.kill_operator(self.around.client, whole_pod=self.found.kills % 2 == 1)
        self.found.kills += 1

    async def _take_back(self) -> None:
        """Remove retained data as docs/database.md has it: restored into a workspace that is deleted with Delete."""
        isolated = set((await self.sampler.database())["databases"])
        names = enumerate(sorted(await self.around.place.retained()))
        await asyncio.gather(*(self._take_one_back(number, name, name in isolated) for number, name in names))

    async def _take_one_back(self, number: int, name: str, isolated: bool) -> None:
        subject = Subject(f"soak-again-{number}", real=False, isolation="Database" if isolated else "Schema")
        life = Life(subject, self.around)
        await life.attempt("restore", partial(life.make_from, name))
        await life.settle("restore")
        await life.attempt(Action.DROP, partial(life.end, "Delete"))
        await life.settle(Action.DROP)

    async def _rest(self) -> None:
        """One sample of the state of rest, and what is in PostgreSQL beside what should be."""
        await self.sampler.idle(QUEUE_SECONDS)
        await asyncio.sleep(REST_SECONDS)
        try:
            await self.sampler.rest()
            database = await self.sampler.database()
        except _TROUBLE as error:
            self.found.wrong.append(f"round {self.found.rounds} could not be looked at: {error}")
            return
        there = [(life.subject.isolation, life.names) for life in (*self._lives, self._bystander) if life.there]
        self._note(f"at rest after round {self.found.rounds}", left.differences(left.should_be(there), database))

    def _note(self, when: str, what: Sequence[str]) -> None:
        for each in what:
            say(f"  {when}: {each}")
            self.found.wrong.append(f"{when}: {each}")

    async def _leave(self, everybody: Sequence[Life]) -> None:
        """All go, under an operator that is killed meanwhile, and then nothing may be there."""
        present = [life for life in everybody if life.there]
        policies = ("Delete", "Retain")
        ends = (life.attempt("end", partial(life.end, policies[n % 2])) for n, life in enumerate(present))
        await asyncio.gather(*ends)
        await self._kill(2.0)
        await asyncio.gather(*(life.settle("the end") for life in present))
        await self._take_back()
        retained = sorted(await self.around.place.retained())
        self.found.left = await left.in_the_end(self.around.client, await self.sampler.database(), retained)
        self._note("in the end", [f"{number} {what} left" for what, number in self.found.left.items()])

    def _line(self) -> str:
        """The last sample, for people."""
        last: Sample = self.sampler.samples[-1] if self.sampler.samples else {}
        shown = {name: last.get(name) for name in ("rss_mb", "files", "tasks", "roles", "schemas")}
        failed = len(self.around.failures)
        return f"{shown}, {failed} failed"


def slopes_of(samples: Sequence[Sample]) -> dict[str, Slope]:
    """By figure; those that too few samples tell of are left out."""
    whole = [
        {**sample, **{name: sum(sample[field] for field in fields) for name, fields in SLOPES.items()}}
        for sample in samples
        if "rss_mb" in sample
    ]
    found = {name: slope_in(whole, name) for name in SLOPES}
    return {name: slope for name, slope in found.items() if slope is not None}


def figures(found: Found, slopes: Mapping[str, Slope]) -> dict[str, float]:
    """By name."""
    return {
        "soak-hours": found.seconds / 3600,
        "soak-actions": sum(found.actions.values()) + found.kills,
        **{name: slope.high for name, slope in slopes.items()},
        **({} if found.left is None else {"soak-leftovers": sum(found.left.values())}),
    }
