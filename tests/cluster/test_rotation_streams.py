"""Streams that are open while a database login is replaced come to their end, in pods that go, with the old login; and
one of minutes comes whole.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

import httpx
import pytest

from agentosctl import rotate
from tests.cluster.conftest import MINUTES
from tests.cluster.tenancy import Tenancy, agent_deployment, ask, eventually, model_key, workspace

NAME = "streams"
NAMESPACE = f"ws-{NAME}"
MESSAGE = "wait 12 " + " ".join(f"word{number}" for number in range(24))
"""Twelve seconds of words: within what a pod that is told to end gives its open streams."""


@dataclass
class Stream:
    """One answer, from its first byte to its last."""

    began: float
    ended: float = 0.0
    last: list[str] = field(default_factory=list)
    """Its last lines, or why there were none."""


@dataclass
class Listeners:
    """Two callers who open one stream after the other, half a stream apart, until told to stop."""

    tenancy: Tenancy
    streams: list[Stream] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def listen(self, delay: float) -> None:
        time.sleep(delay)  # no wait for anything: it spreads the two
        while not self.stopping.is_set():
            stream = Stream(time.monotonic())
            self.streams.append(stream)
            try:
                stream.last = self._read()
            except httpx.HTTPError as error:
                stream.last = [repr(error)]
            stream.ended = time.monotonic()

    def _read(self) -> list[str]:
        form = {"message": MESSAGE, "stream": "true"}
        with (
            self.tenancy.client("support", NAME, self.tenancy.token(NAME)) as client,
            client.stream("POST", "/agents/support/runs", data=form) as answer,
        ):
            return [line for line in answer.iter_lines() if line][-6:]


@pytest.fixture
def place(tenancy: Tenancy) -> Iterator[Tenancy]:
    """A workspace of its own that answers."""
    tenancy.apply(workspace(NAME, deletionPolicy="Delete"))
    tenancy.wait("workspace", NAME)
    tenancy.apply(model_key(NAME), agent_deployment(NAME))
    tenancy.wait("agentdeployment", "support", NAMESPACE)
    with tenancy.client("support", NAME, tenancy.token(NAME)) as client:
        eventually(lambda: ask(client, "hello").status_code == 200)
    yield tenancy
    tenancy.kubectl("delete", "workspace", NAME, "--timeout=120s")


def test_no_stream_is_cut_while_the_database_login_is_replaced(place: Tenancy) -> None:
    login = place.secret_value("agentos-database", NAMESPACE, "username")
    (old,) = [pod["metadata"]["uid"] for pod in place.list("pods", NAMESPACE)]
    listeners = Listeners(place)
    threads = [threading.Thread(target=listeners.listen, args=(delay,)) for delay in (0.0, 6.0)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: len(listeners.streams) == 2)
        told_to_end = _rotate(place, old)
    finally:
        listeners.stopping.set()
        for thread in threads:
            thread.join()
    assert place.secret_value("agentos-database", NAMESPACE, "username") != login
    cut = [stream for stream in listeners.streams if "event: RunCompleted" not in stream.last]
    assert cut == []
    over = [stream for stream in listeners.streams if stream.began < told_to_end < stream.ended]
    assert over, "a stream was open when its pod was told to end"


def _rotate(tenancy: Tenancy, old: str) -> float:
    """Replace the login until nothing uses the earlier one; when the old pod was first seen to be told to end."""
    asked = rotate.Asked(NAME, f"{time.time_ns()}", ("database",))
    marks = [f"{key}={value}" for key, value in rotate.annotations_of(asked).items()]
    tenancy.kubectl("annotate", "workspace", NAME, *marks, "--overwrite")
    seen: list[float] = []

    def ended() -> bool:
        ending = {
            pod["metadata"]["uid"] for pod in tenancy.list("pods", NAMESPACE) if "deletionTimestamp" in pod["metadata"]
        }
        if old in ending and not seen:
            seen.append(time.monotonic())
        return bool(seen) and not list(rotate.pending(tenancy.get("workspace", NAME), asked))

    eventually(ended, 300)
    return seen[0]


def test_a_stream_of_minutes_comes_whole_through_the_gateway(long_stream: Future[list[str]]) -> None:
    lines = long_stream.result()
    assert [f"word{number}" in "".join(lines) for number in range(MINUTES)] == [True] * MINUTES
    assert "event: RunCompleted" in lines
    assert lines.count(": ping") >= 2 * MINUTES, "the silence between two words is filled"
