"""How pods are asked, over real connections, with pods that do what they like."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from agentos_operator.clients import runtime
from agentos_operator.clients.runtime import MOST_BYTES, read_state
from agentos_operator.conditions import Aspect
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.inquiry.aspect import tell_answers
from agentos_operator.reconcile.inquiry.inquire import inquire
from agentos_operator.reconcile.inquiry.memory import InquiryMemory
from agentos_operator.resources.agent_deployment import parse_agent_deployment
from agentos_operator.settings import Settings
from agentos_operator.workqueue import Again, Key
from agentos_runtime.metrics.state import State
from tests.runtime_states import Pod, listening

Object = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden" / "a-deployment-of-one-agent-that-says-no-more-than-it-must" / "input.yaml"
KEY = Key("AgentDeployment", "ws-acme", "support")


@pytest.fixture
def pod() -> Iterator[Pod]:
    with listening() as found:
        yield found


async def test_the_operator_reads_what_a_runtime_writes(pod: Pod) -> None:
    state = State({"version": "0.1.0", "agno": "3.1.10"})
    state.servers = lambda: [{"name": "docs", "status": "connected"}]
    body = b"".join(state.before(lambda *_: [])({"PATH_INFO": "/state"}, lambda *_: None))
    pod.answer = lambda connection: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)
    assert await read_state(pod.address) == body
    assert pod.requests[0].startswith(b"GET /state HTTP/1.0\r\n")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n{}",
        b"HTTP/1.1 404 Not Found\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nno end of the head",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * MOST_BYTES,
    ],
)
async def test_what_is_no_good_answer_is_none(pod: Pod, said: bytes) -> None:
    pod.answer = lambda connection: connection.sendall(said)
    assert await read_state(pod.address) is None


async def test_an_answer_without_an_end_is_cut_off_by_its_length(pod: Pod) -> None:
    sent = 0

    def flood(connection: Any) -> None:
        nonlocal sent
        while True:
            sent += connection.send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000 + b"\r\n")

    pod.answer = flood
    assert await read_state(pod.address) is None
    assert sent < 20_000_000, "no more than what stood in the buffers of both sides"


@pytest.mark.parametrize("beginning", [b"", b'HTTP/1.1 200 OK\r\n\r\n{"version"'])
async def test_a_pod_that_never_ends_its_answer_is_left_after_a_time(
    pod: Pod, beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(connection: Any) -> None:
        connection.sendall(beginning)
        connection.recv(1)
        loop.call_soon_threadsafe(left.set)

    pod.answer = hang
    monkeypatch.setattr(runtime, "TIMEOUT", 0.2)
    assert await read_state(pod.address) is None
    await left.wait()


async def test_a_pod_at_whose_port_nobody_listens_is_none() -> None:
    assert await read_state("127.77.77.77") is None


class Cluster:
    """The API server as an inquiry sees it."""

    def __init__(self) -> None:
        self.deployment: Object | None = _with_server()
        self.pods: list[Object] = []

    async def find(self, *_: Any) -> Object | None:
        return self.deployment

    async def list(self, *_: Any) -> list[Object]:
        return self.pods


def _with_server(**spec: Any) -> Object:
    body: Object = yaml.safe_load(GOLDEN.read_text())["agentDeployment"]
    body["spec"]["agents"][0]["tools"] = [{"mcp": {"name": "docs", "url": "http://docs.tools.svc/mcp"}}]
    body["spec"] |= spec
    return body


def running(address: str, **metadata: Any) -> Object:
    ready = {"type": "Ready", "status": "True"}
    about = {"name": "support-1", "creationTimestamp": "2026-01-01T00:00:00Z", **metadata}
    return {"metadata": about, "status": {"podIP": address, "conditions": [ready]}}


class Asked:
    """One operator's inquiries about one deployment."""

    def __init__(self, settings: Settings) -> None:
        self.cluster, self.clock, self.marked = Cluster(), 1000.0, 0
        self.requested: list[Key] = []
        self.context = Context(
            kubernetes=cast(Any, self.cluster),
            databases={},
            settings=settings,
            ledger=cast(Any, None),
            now=cast(Any, None),
            monotonic=lambda: self.clock,
            mark=self._mark,
            inquiry=InquiryMemory(request=self.requested.append),
        )

    def _mark(self, _: Key) -> None:
        self.marked += 1

    async def ask(self, later: float = 60.0) -> Again | None:
        self.clock += later
        return await inquire(self.context, KEY)

    def told(self, ready: int = 1) -> tuple[list[Aspect], Object]:
        assert self.cluster.deployment
        deployment = parse_agent_deployment(self.cluster.deployment)
        return tell_answers(self.context, self.cluster.deployment, deployment, ready)


@pytest.fixture
def asked(settings: Settings) -> Asked:
    return Asked(settings)


async def test_a_server_that_dies_and_comes_back_is_told_once_each_time(asked: Asked, pod: Pod) -> None:
    asked.cluster.pods = [running(pod.address)]
    pod.says_of("connected")
    for _ in range(3):
        assert await asked.ask() == Again(settled=True, within=30)
    ((up,), versions), marks = asked.told(), asked.marked
    assert (up.type, up.holds, up.required) == ("ToolsReachable", True, False)
    assert versions == {"runtimeVersion": "0.1.0", "agnoVersion": "3.1.10"}
    pod.says_of("unavailable", "connection refused")
    for _ in range(3):
        await asked.ask()
    ((down,), _), down_marks = asked.told(), asked.marked
    assert (down.holds, down.reason) == (False, "MCPServerUnavailable")
    assert "docs" in down.message
    assert "connection refused" in down.message
    pod.says_of("connected")
    await asked.ask()
    assert asked.told()[0][0].holds is True
    assert (marks, down_marks, asked.marked) == (1, 2, 3)


async def test_only_pods_that_are_ready_and_stay_are_asked(asked: Asked, pod: Pod) -> None:
    starting = running(pod.address)
    starting["status"]["conditions"][0]["status"] = "False"
    asked.cluster.pods = [starting, running(pod.address, deletionTimestamp="2026-01-01T00:00:00Z")]
    assert await asked.ask() is None
    assert pod.requests == []
    assert asked.told(ready=0)[0][0].holds is None


async def test_a_deployment_without_servers_or_an_image_is_never_asked(asked: Asked, pod: Pod) -> None:
    asked.cluster.deployment = yaml.safe_load(GOLDEN.read_text())["agentDeployment"]
    asked.cluster.pods = [running(pod.address)]
    assert asked.told() == ([], {})
    assert await asked.ask() is None
    assert (pod.requests, asked.requested) == ([], [])


async def test_an_image_of_the_tenants_own_is_asked_for_its_version_once(asked: Asked, pod: Pod) -> None:
    asked.cluster.deployment = _with_server(image="registry.example.com/agents/one:1")
    asked.cluster.deployment["spec"]["agents"][0].pop("tools")
    asked.cluster.pods = [running(pod.address)]
    pod.says({"version": "2026.11"})
    assert await asked.ask() is None, "nothing has it asked again before it changes"
    assert asked.told() == ([], {"runtimeVersion": "2026.11"})


async def test_a_pod_that_changes_its_mind_all_the_time_is_asked_every_five_seconds_at_most(
    asked: Asked, pod: Pod
) -> None:
    asked.cluster.pods = [running(pod.address)]
    pod.says_of("connected", version="1")
    await asked.ask()
    again = await asked.ask(later=2)
    assert again is not None
    assert again.within == pytest.approx(3)
    assert len(pod.requests) == 1


async def test_a_pod_that_has_yet_to_find_out_is_asked_again_soon(asked: Asked, pod: Pod) -> None:
    asked.cluster.pods = [running(pod.address)]
    pod.says_of("pending")
    assert await asked.ask() == Again(settled=False)
    assert asked.told()[0][0].holds is None


async def test_what_the_operator_before_has_said_stands_until_the_pods_have_answered_again(asked: Asked) -> None:
    assert asked.cluster.deployment
    generation = asked.cluster.deployment["metadata"]["generation"]
    said = {"type": "ToolsReachable", "status": "False", "reason": "MCPServerUnavailable", "message": "docs is away"}
    asked.cluster.deployment["status"] = {
        "conditions": [{**said, "observedGeneration": generation}],
        "runtimeVersion": "0.1.0",
    }
    (aspect,), fields = asked.told()
    assert (aspect.holds, aspect.message, fields) == (False, "docs is away", {"runtimeVersion": "0.1.0"})
    asked.cluster.deployment["metadata"]["generation"] += 1
    assert asked.told()[0][0].holds is None, "it was said of another spec"


async def test_nothing_is_kept_of_a_deployment_that_is_gone(asked: Asked, pod: Pod) -> None:
    asked.cluster.pods = [running(pod.address)]
    pod.says_of("connected")
    await asked.ask()
    asked.cluster.deployment = None
    assert await asked.ask() is None
    assert asked.context.inquiry.findings == {}
    assert asked.context.inquiry.repeated == set()


async def test_another_deployment_of_the_same_name_inherits_no_answer(asked: Asked, pod: Pod) -> None:
    asked.cluster.pods = [running(pod.address)]
    pod.says_of("connected")
    await asked.ask()
    assert asked.cluster.deployment
    asked.cluster.deployment["metadata"]["uid"] = "6f1f7c1e-0000-4000-8000-00000000ffff"
    assert asked.told()[0][0].holds is None
