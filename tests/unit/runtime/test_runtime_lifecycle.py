"""From the first message of a process to its last words."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentos_runtime import cli, termination
from agentos_runtime.errors import StartupError
from agentos_runtime.http.failed_runs import FailedRuns
from agentos_runtime.http.probes import Probes
from agentos_runtime.warmup import Warmup


class Server:
    """An application below a layer, and what reaches whom."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.asked: list[str] = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await send({"type": "lifespan.startup.complete"})
        else:
            self.asked.append(scope["path"])

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def receive(self) -> Any:
        return {"type": "http.request"}

    async def start(self, layer: Any) -> None:
        await layer({"type": "lifespan"}, self.receive, self.send)

    def ask(self, layer: Any, path: str) -> asyncio.Task[None]:
        scope = {"type": "http", "path": path, "headers": []}
        return asyncio.create_task(layer(scope, self.receive, self.send))


async def test_a_request_waits_for_the_warm_up_and_a_probe_does_not() -> None:
    server, warm, given_up = Server(), asyncio.Event(), []

    async def work() -> None:
        await warm.wait()

    layer = Warmup(server.app, work, frozenset({"/health"}), lambda: given_up.append(1))
    await server.start(layer)
    run = server.ask(layer, "/agents/support/runs")
    await server.ask(layer, "/health")
    assert server.asked == ["/health"]
    warm.set()
    await run
    assert server.asked == ["/health", "/agents/support/runs"]
    assert given_up == []


async def test_a_caller_who_leaves_does_not_stop_the_warm_up() -> None:
    server, warm = Server(), asyncio.Event()

    async def work() -> None:
        await warm.wait()

    layer = Warmup(server.app, work, frozenset(), lambda: None)
    await server.start(layer)
    leaving, staying = server.ask(layer, "/a"), server.ask(layer, "/b")
    await asyncio.sleep(0)
    leaving.cancel()
    warm.set()
    await staying
    assert server.asked == ["/b"]


async def test_a_model_that_cannot_be_loaded_ends_the_process() -> None:
    server, given_up = Server(), []

    async def work() -> None:
        raise StartupError("ModelPackageMissing", "…")

    layer = Warmup(server.app, work, frozenset(), lambda: given_up.append(1))
    await server.start(layer)
    await server.ask(layer, "/a")
    assert given_up == [1]
    assert layer.failure is not None
    assert layer.failure.reason == "ModelPackageMissing"


async def test_another_failure_of_the_warm_up_is_left_to_the_first_request() -> None:
    server, given_up = Server(), []

    async def work() -> None:
        raise OSError

    layer = Warmup(server.app, work, frozenset(), lambda: given_up.append(1))
    await server.start(layer)
    await server.ask(layer, "/a")
    assert (server.asked, given_up) == (["/a"], [])


@pytest.mark.parametrize(
    ("path", "ready", "status"),
    [("/livez", False, 200), ("/readyz", True, 200), ("/readyz", False, 503)],
)
async def test_liveness_and_readiness_are_different_questions(path: str, ready: bool, status: int) -> None:
    server = Server()

    async def is_ready() -> bool:
        return ready

    await server.ask(Probes(server.app, is_ready, lambda: False), path)
    assert server.sent[0]["status"] == status
    assert server.asked == []


async def test_another_path_is_no_probe() -> None:
    server = Server()

    async def is_ready() -> bool:
        raise AssertionError

    await server.ask(Probes(server.app, is_ready, lambda: False), "/livez/x")
    assert server.asked == ["/livez/x"]


RUN = {"run_id": "r-1", "session_id": "s-1", "status": "ERROR", "content": "planted key sk-1"}


async def answered(method: str, path: str, content: Any, content_type: bytes = b"application/json") -> Any:
    """Status and body of an answer of agno on its way through FailedRuns."""
    raw = json.dumps(content, separators=(",", ":")).encode()
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type)]})
        await send({"type": "http.response.body", "body": raw[:20], "more_body": True})
        await send({"type": "http.response.body", "body": raw[20:]})

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await FailedRuns(app)({"type": "http", "method": method, "path": path}, receive, send)
    return sent[0]["status"], b"".join(message["body"] for message in sent[1:])


async def test_a_failed_run_is_502_with_its_ids_and_without_the_providers_words() -> None:
    status, body = await answered("POST", "/agents/support/runs", RUN)
    assert status == 502
    assert (json.loads(body)["run_id"], json.loads(body)["session_id"]) == ("r-1", "s-1")
    assert b"planted" not in body


@pytest.mark.parametrize(
    ("method", "path", "content", "kind"),
    [
        ("GET", "/agents/support/runs/r-1", RUN, b"application/json"),
        ("POST", "/agents/support/runs", RUN | {"status": "COMPLETED"}, b"application/json"),
        ("POST", "/agents/support/runs", {"status": "COMPLETED", "tools": [RUN]}, b"application/json"),
        ("POST", "/agents/support/runs", [RUN], b"application/json"),
        ("POST", "/agents/support/runs", RUN, b"text/event-stream"),
    ],
    ids=["looked up later", "completed", "an error inside", "a list", "a stream"],
)
async def test_anything_else_passes_as_it_is(method: str, path: str, content: Any, kind: bytes) -> None:
    status, body = await answered(method, path, content, kind)
    assert (status, json.loads(body)) == (200, content)


def test_last_words_are_one_json_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "termination-log"
    code = cli.main(["serve", "-f", str(tmp_path / "absent.yaml")], {"AGENTOS_TERMINATION_LOG": str(log)})
    assert code == 78
    assert json.loads(log.read_text())["reason"] == "InvalidSpec"
    assert log.read_text() == capsys.readouterr().err


def test_a_laptop_gets_no_file_in_dev(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(termination, "DEFAULT", tmp_path / "termination-log")
    termination.report(StartupError("InvalidSpec", "x" * 5000), tmp_path / "termination-log")
    assert not (tmp_path / "termination-log").exists()


def test_last_words_fit_into_what_kubernetes_keeps(tmp_path: Path) -> None:
    termination.report(StartupError("InvalidSpec", "x" * 5000), tmp_path / "log")
    assert len((tmp_path / "log").read_bytes()) < 4096


_START = """
import sys
from agentos_runtime.server import without
with without(["redis", "json"]):
    import agentos_runtime.app
    import json
assert "redis" not in sys.modules, "agno's Redis costs every pod 5 MiB"
import redis.asyncio
"""


def test_a_package_kept_from_agnos_start_is_there_for_a_tool_that_imports_it_later() -> None:
    found = subprocess.run([sys.executable, "-c", _START], capture_output=True, text=True, check=False, timeout=60)
    assert (found.returncode, found.stderr) == (0, "")
