"""One caller cannot take a pod away from all others, and learns when to come back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from agentos_runtime.http import quotas
from agentos_runtime.http.quotas import Quotas, Rate
from agentos_spec import Limits


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Pod:
    """An application below the layer whose runs end when told, and what callers are answered."""

    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        self.layer = Quotas(self._app, replace(Limits(), **limits), self.clock)
        self.end = asyncio.Event()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].endswith("/runs"):
            await self.end.wait()
        if scope["path"] == "/broken/runs":
            raise RuntimeError
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(
        self, user: str = "alice", path: str = "/agents", method: str = "GET"
    ) -> tuple[int, dict[bytes, bytes]]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            sent.append(message)

        identity = SimpleNamespace(user=user)
        scope = {"type": "http", "path": path, "method": method, "state": {"identity": identity}}
        await self.layer(scope, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"])

    async def run(self, user: str = "alice", path: str = "/agents/support/runs") -> asyncio.Task[Any]:
        """A run that was begun, or refused."""
        task = asyncio.create_task(self.ask(user, path, "POST"))
        await asyncio.sleep(0)
        return task


async def test_requests_beyond_a_minutes_are_429_and_told_when_to_come_back() -> None:
    pod = Pod(requests_per_user_per_minute=30)
    assert {(await pod.ask())[0] for _ in range(30)} == {200}
    status, headers = await pod.ask()
    assert (status, headers[b"retry-after"]) == (429, b"2")
    assert (await pod.ask("bob"))[0] == 200
    pod.clock.now += 2
    assert [(await pod.ask())[0] for _ in range(2)] == [200, 429]


async def test_a_silent_minute_brings_back_no_more_than_a_minutes() -> None:
    pod = Pod(requests_per_user_per_minute=3)
    pod.clock.now += 3600
    assert [(await pod.ask())[0] for _ in range(4)] == [200, 200, 200, 429]


async def test_runs_of_one_user_are_bounded_and_leave_room_for_others() -> None:
    pod = Pod(concurrent_runs=3, concurrent_runs_per_user=2)
    runs = [await pod.run() for _ in range(2)]
    refused = await (await pod.run())
    assert refused[0] == 429
    assert int(refused[1][b"retry-after"]) > 0
    assert (await pod.ask())[0] == 200
    runs.append(await pod.run("bob"))
    assert (await (await pod.run("carol")))[0] == 429
    pod.end.set()
    assert [(await run)[0] for run in runs] == [200] * 3
    assert (await (await pod.run()))[0] == 200


async def test_a_run_that_fails_or_is_left_gives_its_place_back() -> None:
    pod = Pod(concurrent_runs_per_user=1)
    left = await pod.run()
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    pod.end.set()
    broken = await pod.run(path="/broken/runs")
    with pytest.raises(RuntimeError):
        await broken
    assert (await (await pod.run()))[0] == 200


def test_callers_who_come_once_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "_MOST_CALLERS", 10)
    rate = Rate(1, Clock())
    for n in range(100):
        assert rate.wait(f"user-{n}") == 0
    assert len(rate._buckets) == 10
    assert rate.wait("user-99") > 0


@pytest.mark.parametrize(
    ("method", "path", "is_run"),
    [
        ("POST", "/agents/support/runs", True),
        ("POST", "/teams/a/runs/r-1/continue", True),
        ("POST", "/agents/support/runs/", True),
        ("GET", "/agents/support/runs", False),
        ("POST", "/agents/support/runs/r-1/cancel", False),
        ("POST", "/agents/support/runs/r-1/resume", False),
    ],
)
def test_what_keeps_a_model_busy_is_a_run(method: str, path: str, is_run: bool) -> None:
    assert quotas.is_run({"type": "http", "method": method, "path": path}) is is_run
