"""Leadership: at most one of several candidates leads, whatever the API server does. Time is simulated."""

from __future__ import annotations

import asyncio
import copy
import logging
import random
from typing import Any, cast

import pytest

from agentos_operator import leader
from agentos_operator.clients.kinds import LEASE, Kind
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.errors import ApiUnavailable, Conflict, NotFound
from agentos_operator.leader import LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS, Leadership
from tests.unit.simulation import LoopClock, simulate

Object = dict[str, Any]


@pytest.fixture(autouse=True)
def simulated_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The candidates' monotonic clock is the loop's."""
    monkeypatch.setattr(leader, "time", LoopClock)


class LeaseServer:
    """Stores one Lease as the API server does: a write of an old version is a Conflict."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.version = 0
        self.writes = 0
        self.reads = 0

    def client(self, **trouble: Any) -> Kubernetes:
        """A candidate's connection."""
        return cast("Kubernetes", _Connection(self, **trouble))

    def store(self, body: Object) -> Object:
        """Keep ``body`` as the newest version."""
        self.version += 1
        self.writes += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self.lease = copy.deepcopy(body)
        return copy.deepcopy(body)

    @property
    def holder(self) -> str | None:
        """Who holds the Lease."""
        return cast("str | None", self.lease["spec"].get("holderIdentity")) if self.lease else None


class _Connection:
    """What ``Leadership`` uses of the client; slow, cut off or unreliable as a test wants it."""

    def __init__(self, server: LeaseServer, delay: float = 0.1, fails: float = 0.0, seed: int = 0) -> None:
        self._server = server
        self._random = random.Random(seed)
        self.delay = delay
        self.fails = fails
        self.cut = False

    async def find(self, kind: Kind, name: str, namespace: str | None) -> Object | None:
        assert (kind, name, namespace) == (LEASE, "agentos-operator", "agentos-system")
        await self._travel()
        self._server.reads += 1
        return copy.deepcopy(self._server.lease)

    async def create(self, body: Object) -> Object:
        await self._travel()
        if self._server.lease is not None:
            raise Conflict("exists")
        return self._server.store(copy.deepcopy(body))

    async def replace(self, body: Object) -> Object:
        await self._travel()
        if self._server.lease is None:
            raise NotFound("gone")
        if body["metadata"].get("resourceVersion") != self._server.lease["metadata"]["resourceVersion"]:
            raise Conflict("written in between")
        answer = self._server.store(copy.deepcopy(body))
        await self._travel()  # the write happened, but its answer may be lost
        return answer

    async def _travel(self) -> None:
        if self.cut:
            await asyncio.sleep(1_000)
        await asyncio.sleep(self.delay * self._random.uniform(0.5, 1.5))
        if self._random.random() < self.fails:
            raise ApiUnavailable("no answer")


def candidate(client: Kubernetes, identity: str) -> Leadership:
    """One replica."""
    return Leadership(client, "agentos-operator", "agentos-system", identity)


def test_the_first_candidate_leads_and_the_second_waits() -> None:
    async def play() -> None:
        server = LeaseServer()
        await candidate(server.client(), "a").acquire()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LEASE_SECONDS / 2):
                await candidate(server.client(), "b").acquire()
        assert server.holder == "a"

    simulate(play())


def test_a_leader_that_renews_keeps_the_lease_for_ever() -> None:
    async def play() -> None:
        server = LeaseServer()
        first = candidate(server.client(), "a")
        await first.acquire()
        hold = asyncio.create_task(first.hold())
        waiting = asyncio.create_task(candidate(server.client(), "b").acquire())
        await asyncio.sleep(20 * LEASE_SECONDS)
        assert not hold.done()
        assert not waiting.done()
        hold.cancel()
        waiting.cancel()
        await asyncio.wait([hold, waiting])

    simulate(play())


def test_the_lease_of_a_dead_leader_is_taken_after_its_whole_duration_and_counts_the_change() -> None:
    async def play() -> float:
        server = LeaseServer()
        await candidate(server.client(), "a").acquire()
        began = LoopClock.monotonic()
        await candidate(server.client(), "b").acquire()
        assert server.holder == "b"
        assert server.lease is not None
        assert server.lease["spec"]["leaseTransitions"] == 1
        return LoopClock.monotonic() - began

    assert LEASE_SECONDS <= simulate(play()) < LEASE_SECONDS + 2 * RETRY_SECONDS


def test_clocks_that_disagree_do_no_harm_because_only_a_change_of_the_lease_counts() -> None:
    async def play() -> None:
        server = LeaseServer()
        await candidate(server.client(), "a").acquire()
        assert server.lease is not None
        server.lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LEASE_SECONDS - 2 * RETRY_SECONDS):
                await candidate(server.client(), "b").acquire()

    simulate(play())


def test_a_released_lease_is_taken_at_once() -> None:
    async def play() -> float:
        server = LeaseServer()
        first = candidate(server.client(), "a")
        await first.acquire()
        await first.release()
        began = LoopClock.monotonic()
        await candidate(server.client(), "b").acquire()
        return LoopClock.monotonic() - began

    assert simulate(play()) < RETRY_SECONDS


def test_a_candidate_that_does_not_lead_releases_nothing() -> None:
    async def play() -> None:
        server = LeaseServer()
        await candidate(server.client(), "a").acquire()
        await candidate(server.client(), "b").release()
        assert server.holder == "a"

    simulate(play())


def test_hold_returns_well_before_anybody_else_may_lead_when_the_api_server_falls_silent() -> None:
    async def play() -> float:
        server = LeaseServer()
        client = server.client()
        first = candidate(client, "a")
        await first.acquire()
        began = LoopClock.monotonic()
        cast("_Connection", client).cut = True
        await first.hold()
        return LoopClock.monotonic() - began

    assert RENEW_SECONDS <= simulate(play()) < LEASE_SECONDS * 0.75


def test_a_leader_that_was_paused_writes_nothing_and_does_not_wait_for_a_look_at_the_lease() -> None:
    """A pause looks to the process as if its clock had leapt, in the middle of whatever it was doing."""

    async def play() -> float:
        server = LeaseServer()
        client = server.client()
        first = candidate(client, "a")
        assert not first.may_write(), "it does not lead yet"
        await first.acquire()
        assert first.may_write()
        hold = asyncio.create_task(first.hold())
        await asyncio.sleep(RETRY_SECONDS / 2)
        cast("_Connection", client).delay = RENEW_SECONDS
        LoopClock.leap(2 * LEASE_SECONDS)
        assert not first.may_write()
        went_on = LoopClock.monotonic()
        await hold
        return LoopClock.monotonic() - went_on

    assert simulate(play()) <= RETRY_SECONDS


def test_hold_survives_failures_that_are_shorter_than_its_patience(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        server = LeaseServer()
        client = server.client()
        first = candidate(client, "a")
        await first.acquire()
        hold = asyncio.create_task(first.hold())
        for _ in range(10):
            cast("_Connection", client).fails = 1.0
            await asyncio.sleep(RENEW_SECONDS / 2)
            cast("_Connection", client).fails = 0.0
            await asyncio.sleep(RENEW_SECONDS / 2)
        assert not hold.done()
        hold.cancel()
        await asyncio.wait([hold])

    with caplog.at_level(logging.WARNING):
        simulate(play())
    assert "Lease could not be read or written" in caplog.text


def test_a_leader_whose_lease_was_taken_by_hand_stops_and_does_not_take_it_back() -> None:
    async def play() -> None:
        server = LeaseServer()
        first = candidate(server.client(), "a")
        await first.acquire()
        assert server.lease is not None
        taken = copy.deepcopy(server.lease)
        taken["spec"]["holderIdentity"] = "somebody"
        server.store(taken)
        await first.hold()
        assert server.holder == "somebody"

    simulate(play())


def test_a_leader_renews_without_reading_and_reads_again_once_somebody_else_wrote() -> None:
    async def play() -> None:
        server = LeaseServer()
        first = candidate(server.client(), "a")
        await first.acquire()
        hold = asyncio.create_task(first.hold())
        reads, writes = server.reads, server.writes
        await asyncio.sleep(2 * LEASE_SECONDS)
        assert server.reads == reads
        assert server.writes > writes + 10
        assert server.lease is not None
        server.store({**server.lease, "metadata": {**server.lease["metadata"], "annotations": {"seen": "by hand"}}})
        await asyncio.sleep(2 * RETRY_SECONDS)
        assert server.reads == reads + 1
        assert server.lease["metadata"]["annotations"] == {"seen": "by hand"}
        await asyncio.sleep(2 * LEASE_SECONDS)
        assert not hold.done()
        assert server.reads == reads + 1
        hold.cancel()
        await asyncio.wait([hold])

    simulate(play())


def test_a_leader_whose_lease_was_deleted_makes_it_anew_at_once() -> None:
    async def play() -> None:
        server = LeaseServer()
        first = candidate(server.client(), "a")
        await first.acquire()
        hold = asyncio.create_task(first.hold())
        server.lease = None
        await asyncio.sleep(1.5 * RETRY_SECONDS)
        assert server.holder == "a"
        assert not hold.done()
        hold.cancel()
        await asyncio.wait([hold])

    simulate(play())


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": ""}, {"holderIdentity": None}])
def test_a_lease_that_somebody_made_without_a_holder_is_taken(spec: Object | None) -> None:
    async def play() -> None:
        server = LeaseServer()
        lease: Object = {"kind": "Lease", "metadata": {"name": "agentos-operator", "namespace": "agentos-system"}}
        server.store(lease if spec is None else {**lease, "spec": spec})
        async with asyncio.timeout(RETRY_SECONDS):
            await candidate(server.client(), "a").acquire()
        assert server.holder == "a"

    simulate(play())


@pytest.mark.parametrize("seed", range(6))
def test_two_candidates_never_lead_together_over_an_unreliable_network(seed: int) -> None:
    """For most of an hour all acquire and hold again and again, while messages and whole links are lost."""
    leading: set[str] = set()
    terms = 0

    async def live(replica: Leadership, identity: str) -> None:
        nonlocal terms
        while True:
            await replica.acquire()
            assert not leading, f"{identity} leads while {leading} does"
            leading.add(identity)
            terms += 1
            await replica.hold()
            leading.remove(identity)

    async def play() -> None:
        server = LeaseServer()
        clients = [server.client(delay=1.0, fails=0.1, seed=seed * 10 + index) for index in range(3)]
        lives = [
            asyncio.create_task(live(candidate(client, str(index)), str(index))) for index, client in enumerate(clients)
        ]
        chance = random.Random(seed)
        for _ in range(30):
            cut = cast("_Connection", chance.choice(clients))
            cut.cut = True
            await asyncio.sleep(chance.uniform(10, 60))
            cut.cut = False
            await asyncio.sleep(chance.uniform(10, 60))
            assert not [life.exception() for life in lives if life.done()]
        for life in lives:
            life.cancel()
        await asyncio.wait(lives)

    simulate(play())
    assert terms > 3, "leadership moved, so the test saw what it is about"
