"""Replicas that are killed, paused or cut off, and whose clocks are wrong: never do two of them write.

The API server's audit log is the witness. How long a take-over takes goes into the report and is not judged.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from local import debian
from tests.faults.engine import Engine
from tests.faults.report import Report
from tests.faults.writers import Write, rivals, token_id, writes_since
from tests.integration.apiserver import eventually
from tests.integration.operator.proxy import Answer, Proxy, Request
from tests.integration.operator.stage import ACCOUNT, SYSTEM_NAMESPACE, OperatorProcess, Stage, launch, new_name

TAKE_OVER = 120.0
"""Seconds until a replica that does not take over counts as failed."""


class Replica:
    """One of several, with a way to the API server and a token of its own."""

    def __init__(self, stage: Stage, identity: str, proxy: Proxy, **changes: Any) -> None:
        create = ("create", "token", ACCOUNT, "-n", SYSTEM_NAMESPACE, "--duration=8h")
        self.token = stage.api.kubectl(*create).stdout.strip()
        stage.secrets.add(self.token)
        self.id = token_id(self.token)
        self.proxy = proxy
        self._stage, self._identity, self._changes = stage, identity, changes
        self.operator = self.start()

    def start(self) -> OperatorProcess:
        """What the kubelet does, at first and when it has ended."""
        self.operator = self._stage.start(
            wait=False, server=self.proxy.url, identity=self._identity, token=self.token, **self._changes
        )
        return self.operator

    def kill(self) -> None:
        """Whichever process it is by now."""
        self.operator.kill()


class Contest:
    """Replicas on one API server, and a workspace that keeps whoever leads at work."""

    def __init__(self, stage: Stage, replicas: Sequence[Replica]) -> None:
        self._stage, self.replicas = stage, replicas
        self._log = stage.api.plane.audit_log
        self._offset = self._log.stat().st_size

    @property
    def writes(self) -> list[Write]:
        """All that the replicas have written."""
        return writes_since(self._log, self._offset, [each.token for each in self.replicas])

    def wait_for_work(self, *, since: datetime, of: Sequence[Replica]) -> tuple[Replica, float]:
        """Who of these works first after a moment, and how many seconds later."""
        by_id = {each.id: each for each in of}

        def work() -> list[Write]:
            return [each for each in self.writes if each.who in by_id and not each.is_of_lease and each.began > since]

        eventually(lambda: bool(work()), "one of the others works", TAKE_OVER)
        found = work()
        return by_id[found[0].who], round((found[0].began - since).total_seconds(), 1)


@contextmanager
def contest(stage: Stage, count: int, **changes: Any) -> Iterator[Contest]:
    """So many replicas, the first of which leads."""
    stage.api.delete("Lease", "agentos-operator", SYSTEM_NAMESPACE)
    with ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(stage.api)) for _ in range(count)]
        first = Replica(stage, "operator-a", proxies[0], **changes)
        stack.callback(first.kill)
        name = new_name("contest")
        stage.ready_workspace(name)
        others = [
            Replica(stage, f"operator-{letter}", proxy, **changes)
            for letter, proxy in zip("bc", proxies[1:], strict=False)
        ]
        for each in others:
            stack.callback(each.kill)
        stack.enter_context(_kept_busy(stage, name))
        yield Contest(stage, [first, *others])


@contextmanager
def _kept_busy(stage: Stage, name: str) -> Iterator[None]:
    """Somebody changes a workspace all the time."""
    ended = threading.Event()

    def change() -> None:
        limit = 40
        while not ended.wait(0.2):
            limit = 40 + (limit + 1) % 20
            stage.api.patch("Workspace", name, {"spec": {"database": {"connectionLimit": limit}}})

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _has_looked(replica: Replica) -> bool:
    return any("/leases" in request.path for request in replica.proxy.requests)


def _slow_leases(request: Request) -> Answer | None:
    return Answer(503, delay=4) if "/leases" in request.path else None


def test_a_leader_that_was_paused_for_longer_than_its_lease_writes_nothing_more(engine: Engine, report: Report) -> None:
    """As a node that is starved or moved does; when it goes on, its first look at the Lease takes a while."""
    with contest(engine.world.stage, 2, **engine.configuration()) as running:
        leader, other = running.replicas
        running.wait_for_work(since=datetime.now(UTC), of=[leader])
        leader.operator.process.send_signal(signal.SIGSTOP)
        _, seconds = running.wait_for_work(since=datetime.now(UTC), of=[other])
        report.figures["take-over after a pause, seconds"] = seconds
        leader.proxy.before = _slow_leases
        leader.operator.process.send_signal(signal.SIGCONT)
        assert leader.operator.process.wait(60) != 0, "it ends, and the kubelet starts it anew"
        assert rivals(running.writes) == []


@pytest.mark.whole
def test_a_killed_leader_is_followed_by_one_of_two_others(engine: Engine, report: Report) -> None:
    with contest(engine.world.stage, 3, **engine.configuration()) as running:
        leader, *others = running.replicas
        running.wait_for_work(since=datetime.now(UTC), of=[leader])
        leader.kill()
        _, seconds = running.wait_for_work(since=datetime.now(UTC), of=others)
        report.figures["take-over after a kill, seconds"] = seconds
        leader.start()
        running.wait_for_work(since=datetime.now(UTC), of=others)
        assert rivals(running.writes) == []


@pytest.mark.whole
def test_clocks_that_are_five_minutes_off_move_no_leadership_and_make_no_second_writer(
    engine: Engine, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = engine.world.stage
    with contest(stage, 1, **engine.configuration()) as running, ExitStack() as stack:
        (leader,) = running.replicas
        skewed: list[Replica] = []
        for minutes in (5, -5):
            monkeypatch.setattr(stage, "launch", _with_clock_off(minutes))
            proxy = stack.enter_context(Proxy(stage.api))
            skewed.append(Replica(stage, f"operator{minutes:+d}", proxy, **engine.configuration()))
            stack.callback(skewed[-1].kill)
        monkeypatch.undo()
        running.replicas = [leader, *skewed]
        eventually(lambda: all(map(_has_looked, skewed)), "both have looked at the Lease")
        running.wait_for_work(since=datetime.now(UTC), of=[leader])
        for _ in range(len(skewed)):
            before = datetime.now(UTC)
            leader.operator.stop()
            leader, seconds = running.wait_for_work(since=before, of=skewed)
            report.figures[f"take-over after an end in order, clock off ({leader.operator.identity}), seconds"] = (
                seconds
            )
            skewed.remove(leader)
        assert rivals(running.writes) == []


@pytest.mark.whole
def test_an_api_server_that_is_away_for_a_minute_is_served_by_one_replica_when_it_is_back(
    engine: Engine, report: Report
) -> None:
    with contest(engine.world.stage, 2, **engine.configuration()) as running:
        running.wait_for_work(since=datetime.now(UTC), of=running.replicas[:1])
        for each in running.replicas:
            each.proxy.before = lambda _: Answer(None)
        leader = running.replicas[0]
        assert leader.operator.process.wait(60) != 0, "it cannot know whether it still leads"
        threading.Event().wait(40)
        back = datetime.now(UTC)
        for each in running.replicas:
            each.proxy.before = lambda _: None
        leader.start()
        _, seconds = running.wait_for_work(since=back, of=running.replicas)
        report.figures["take-over after a minute without the API server, seconds"] = seconds
        assert rivals(running.writes) == []


def _with_clock_off(minutes: int) -> Any:
    debian.ensure(debian.CLOCK)
    probe = subprocess.run(
        ["faketime", "-f", "+0", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True
    )
    clock = {"LD_PRELOAD": probe.stdout.strip(), "FAKETIME": f"{minutes * 60:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return lambda arguments, environment, log: launch(arguments, {**os.environ, **environment, **clock}, log)
