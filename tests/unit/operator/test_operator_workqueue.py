"""The queue: one reconciliation per key at a time, none lost, none repeated for nothing. Time is simulated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest

from agentos_operator import workqueue
from agentos_operator.errors import ApiUnavailable
from agentos_operator.workqueue import FIRST_DELAY, LONGEST_DELAY, SETTLED, UNSETTLED, Again, Key, Queue, describe
from tests.unit.simulation import LoopClock, simulate

ACME = Key("Workspace", None, "acme")
OTHER = Key("Workspace", None, "other")
RESYNC = 600.0


@pytest.fixture(autouse=True)
def without_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delays are exact, and the queue's clock is the loop's."""
    monkeypatch.setattr(workqueue, "random", SimpleNamespace(uniform=lambda _low, _high: 1.0))
    monkeypatch.setattr(workqueue, "time", LoopClock)


Work = Callable[[Key], Awaitable[Again | None]]


async def run(queue: Queue, until: float, workers: int = 2) -> None:
    """Let the workers work for so many simulated seconds."""
    work = asyncio.create_task(queue.run(workers))
    await asyncio.sleep(until)
    assert not work.done(), "no worker ends by itself"
    work.cancel()
    await asyncio.wait([work])


class Recorder:
    """Answers with ``answers`` in turn, then with the last of them for ever; notes when it was asked about what."""

    def __init__(self, *answers: Again | Exception | None) -> None:
        self.calls: list[tuple[Key, float]] = []
        self._answers = list(answers)

    async def __call__(self, key: Key) -> Again | None:
        self.calls.append((key, asyncio.get_running_loop().time()))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def times(self) -> list[float]:
        """When it was asked."""
        return [time for _, time in self.calls]

    @property
    def pauses(self) -> list[float]:
        """Seconds between one call and the next."""
        return [round(after - before, 3) for before, after in zip(self.times, self.times[1:], strict=False)]


def course(work: Work, until: float, *marks: tuple[float, Key]) -> None:
    """Simulate a queue in which keys are marked at given seconds."""

    async def play() -> None:
        queue = Queue(work, RESYNC)
        for at, key in marks:
            asyncio.get_running_loop().call_later(at, queue.mark, key)
        await run(queue, until)

    simulate(play())


def test_many_events_about_a_waiting_key_are_one_reconciliation() -> None:
    work = Recorder(SETTLED)
    course(work, 1, *[(0, ACME)] * 10, (0, OTHER))
    assert [key for key, _ in work.calls] == [ACME, OTHER]


def test_a_key_marked_while_it_runs_runs_once_more_and_never_beside_itself() -> None:
    running, most, calls = set[Key](), 0, 0

    async def slow(key: Key) -> Again:
        nonlocal most, calls
        assert key not in running, "two workers in one resource"
        running.add(key)
        calls, most = calls + 1, max(most, len(running))
        await asyncio.sleep(5)
        running.remove(key)
        return SETTLED

    course(slow, 100, (0, ACME), (1, ACME), (2, ACME), (1, OTHER))
    assert calls == 3, "acme, other, and acme once more for what happened meanwhile"
    assert most == 2, "different resources go side by side"


def test_what_happened_during_a_failed_run_is_looked_at_at_once() -> None:
    async def slow(key: Key) -> Again:
        times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(5)
        return UNSETTLED

    times: list[float] = []
    course(slow, 9, (0, ACME), (1, ACME))
    assert times == [0, 5]


def test_failures_come_back_with_a_delay_that_doubles_up_to_a_limit() -> None:
    work = Recorder(UNSETTLED)
    course(work, 400, (0, ACME))
    assert work.pauses[:5] == [FIRST_DELAY * 2**exponent for exponent in range(5)]
    assert work.pauses[-3:] == [LONGEST_DELAY] * 3
    assert sorted(work.pauses) == work.pauses


def test_a_success_ends_the_growth_of_the_delay() -> None:
    work = Recorder(UNSETTLED, UNSETTLED, SETTLED, UNSETTLED)
    course(work, 2 * RESYNC, (0, ACME))
    assert work.pauses[:4] == [FIRST_DELAY, 2 * FIRST_DELAY, RESYNC, FIRST_DELAY]


def test_what_is_settled_is_looked_at_again_at_the_resync() -> None:
    work = Recorder(SETTLED)
    course(work, 2.5 * RESYNC, (0, ACME))
    assert work.times == [0, RESYNC, 2 * RESYNC]


class Glances:
    """Answers as told when asked whether all is as it was; notes when that was."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.times: list[float] = []
        self._answers = list(answers)

    async def __call__(self) -> bool:
        self.times.append(asyncio.get_running_loop().time())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_what_is_as_it_was_is_glanced_at_and_once_in_a_while_looked_at_as_a_whole() -> None:
    glances = Glances(True)
    work = Recorder(Again(settled=True, glance=glances))
    course(work, 13 * RESYNC - 1, (0, ACME))
    assert work.times == [0, 6 * RESYNC, 12 * RESYNC]
    assert glances.times == [RESYNC * each for each in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11)]


@pytest.mark.parametrize("answer", [False, RuntimeError("planted-secret")])
def test_what_a_glance_finds_changed_or_cannot_find_out_is_looked_at_at_once(
    answer: bool | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    work = Recorder(Again(settled=True, glance=Glances(True, answer)))
    with caplog.at_level(logging.DEBUG):
        course(work, 2 * RESYNC + 1, (0, ACME))
    assert work.times == [0, 2 * RESYNC]
    assert "planted-secret" not in caplog.text


def test_an_event_is_never_answered_with_a_glance() -> None:
    glances = Glances(True)
    work = Recorder(Again(settled=True, glance=glances))
    course(work, RESYNC + 101, (0, ACME), (100, ACME), (RESYNC + 50, ACME))
    assert work.times == [0, 100, RESYNC + 50]
    assert glances.times == []


def test_an_event_during_a_glance_is_looked_at_after_it() -> None:
    async def slow() -> bool:
        await asyncio.sleep(5)
        return True

    work = Recorder(Again(settled=True, glance=slow))
    course(work, RESYNC + 10, (0, ACME), (RESYNC + 1, ACME))
    assert work.times == [0, RESYNC + 5]


def test_an_event_that_meets_a_key_which_waits_for_a_glance_makes_it_a_whole_look() -> None:
    async def work(key: Key) -> Again:
        calls.append((key, asyncio.get_running_loop().time()))
        if key == OTHER:
            await asyncio.sleep(100)
        return Again(settled=True, glance=glances)

    async def play() -> None:
        queue = Queue(work, RESYNC)
        queue.mark(ACME)
        asyncio.get_running_loop().call_later(RESYNC - 10, queue.mark, OTHER)
        asyncio.get_running_loop().call_later(RESYNC + 10, queue.mark, ACME)
        await run(queue, RESYNC + 200, workers=1)

    glances = Glances(True)
    calls: list[tuple[Key, float]] = []
    simulate(play())
    assert calls == [(ACME, 0), (OTHER, RESYNC - 10), (ACME, RESYNC + 90)]
    assert glances.times == []


def test_what_falls_due_is_looked_at_as_a_whole_however_many_glances_came_before() -> None:
    glances = Glances(True)
    work = Recorder(Again(settled=True, within=2.5 * RESYNC, glance=glances))
    course(work, 2.6 * RESYNC, (0, ACME))
    assert work.times == [0, 2.5 * RESYNC]
    assert glances.times == [RESYNC, 2 * RESYNC]


def test_an_event_comes_before_the_delay_and_does_not_add_a_second_timer() -> None:
    work = Recorder(SETTLED)
    course(work, RESYNC + 150, (0, ACME), (100, ACME))
    assert work.times == [0, 100, 100 + RESYNC]


def test_what_no_longer_exists_is_not_looked_at_again() -> None:
    work = Recorder(None)
    course(work, 3 * RESYNC, (0, ACME))
    assert work.times == [0]


def test_one_resource_that_always_fails_stops_neither_its_worker_nor_the_others() -> None:
    class Mixed(Recorder):
        async def __call__(self, key: Key) -> Again | None:
            await super().__call__(key)
            if key == ACME:
                raise RuntimeError("planted-secret")
            return SETTLED

    work = Mixed(SETTLED)
    course(work, 3, (0, ACME), (0, OTHER), (2, OTHER))
    assert [time for key, time in work.calls if key == OTHER] == [0, 2]
    assert len([key for key, _ in work.calls if key == ACME]) > 2


def test_the_text_of_a_foreign_exception_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        course(Recorder(RuntimeError("planted-secret"), SETTLED), 1, (0, ACME))
    assert "RuntimeError" in caplog.text
    assert "Workspace/acme" in caplog.text
    assert "planted-secret" not in caplog.text


def test_our_own_errors_are_quoted_because_they_hold_no_secret() -> None:
    assert describe(ApiUnavailable("no answer from 10.0.0.1")) == "ApiUnavailable: no answer from 10.0.0.1"
    assert describe(ValueError("planted-secret")) == "ValueError"


def test_a_queue_whose_workers_all_hang_shows_how_long_the_oldest_key_waits() -> None:
    async def hang(_: Key) -> Again:
        await asyncio.sleep(10_000)
        return SETTLED

    async def play() -> float:
        queue = Queue(hang, RESYNC)
        assert queue.oldest_seconds == 0
        queue.mark(ACME)
        asyncio.get_running_loop().call_later(10, queue.mark, OTHER)
        await run(queue, until=310, workers=1)
        return queue.oldest_seconds

    assert simulate(play()) == pytest.approx(300)


def test_repetitions_of_many_resources_are_spread_by_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    monkeypatch.setattr(workqueue, "random", SimpleNamespace(uniform=uniform))
    work = Recorder(UNSETTLED, SETTLED)
    course(work, RESYNC, (0, ACME))
    assert work.pauses == [round(FIRST_DELAY * 1.2, 3)]
    assert set(bounds) == {(0.8, 1.2)}


def test_a_key_reads_as_a_path() -> None:
    assert str(Key("AgentDeployment", "ws-acme", "support")) == "AgentDeployment/ws-acme/support"
    assert str(ACME) == "Workspace/acme"


async def _times_of(answer: Again, until: float) -> list[float]:
    recorder = Recorder(answer)
    queue = Queue(recorder, RESYNC)
    queue.mark(ACME)
    await run(queue, until)
    return recorder.times


def test_what_falls_due_before_the_resync_is_looked_at_in_time() -> None:
    times = simulate(_times_of(Again(settled=True, within=60.0), 130.0))
    assert times == pytest.approx([0.0, 60.0, 120.0])


def test_what_falls_due_after_the_resync_waits_for_no_longer_than_that() -> None:
    times = simulate(_times_of(Again(settled=True, within=1e7), RESYNC + 1))
    assert times == pytest.approx([0.0, RESYNC])


def test_what_is_overdue_does_not_turn_in_a_circle() -> None:
    times = simulate(_times_of(Again(settled=True, within=-5.0), FIRST_DELAY * 2.5))
    assert times == pytest.approx([0.0, FIRST_DELAY, FIRST_DELAY * 2])


def test_what_is_laid_to_rest_is_looked_at_when_it_is_due_whatever_was_marked() -> None:
    work = Recorder(SETTLED)

    async def play() -> None:
        queue = Queue(work, RESYNC)
        for key in (ACME, OTHER):
            queue.mark(key)
        queue.rest(ACME, 100)
        await run(queue, RESYNC - 1)

    simulate(play())
    assert work.calls == [(OTHER, 0), (ACME, 100)]


def test_what_was_laid_to_rest_is_looked_at_once_when_something_changes() -> None:
    work = Recorder(SETTLED)

    async def play() -> None:
        queue = Queue(work, RESYNC)
        queue.mark(ACME)
        queue.rest(ACME, 100)
        queue.mark(ACME)
        await run(queue, RESYNC - 1)

    simulate(play())
    assert work.calls == [(ACME, 0)]


def test_only_what_is_settled_and_left_alone_is_at_rest() -> None:
    names = ("settled", "due-earlier", "unsettled", "under-way", "waiting", "gone")
    keys = {name: Key("Workspace", None, name) for name in names}

    async def work(key: Key) -> Again | None:
        if key == keys["under-way"]:
            await asyncio.Event().wait()
        answers = {"unsettled": UNSETTLED, "due-earlier": Again(settled=True, within=50), "gone": None}
        return answers.get(key.name, SETTLED)

    async def play() -> None:
        queue = Queue(work, RESYNC)
        for key in keys.values():
            if key.name != "waiting":
                queue.mark(key)
        await run(queue, 10)
        queue.mark(keys["waiting"])
        assert queue.resting() == {keys["settled"]: RESYNC - 10, keys["due-earlier"]: 40}
        assert queue.busy == {keys["unsettled"], keys["under-way"], keys["waiting"]}

    simulate(play())
