"""What a scrape of the operator says, and what it never says."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
import yaml
from kubernetes.aio.client.api_client import ApiClient
from prometheus_client import generate_latest

from agentos_operator import __main__ as program
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.desired.network_policy import build_openings
from agentos_operator.desired.surroundings import configured_surroundings
from agentos_operator.errors import SettingsError
from agentos_operator.metrics import Metrics, served
from agentos_operator.resources.workspace import parse_workspace
from agentos_operator.service import Operator
from agentos_operator.settings import PodPeer, Settings
from agentos_operator.workqueue import SETTLED, UNSETTLED, Again, Key, Queue

GOLDEN = Path(__file__).parent / "golden"
WORKSPACE = Key("Workspace", None, "planted")
PROMETHEUS = PodPeer(namespace="monitoring", pod_labels={"app": "prometheus"})


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize(("again", "result"), [(SETTLED, "settled"), (UNSETTLED, "unsettled"), (None, "gone")])
async def test_a_reconciliation_is_counted_by_what_came_of_it(again: Again | None, result: str) -> None:
    metrics = Metrics()

    async def reconcile(_: Key) -> Again | None:
        return again

    assert await metrics.measured(reconcile)(WORKSPACE) is again
    assert value(metrics, "agentos_operator_reconciliations_total", kind="Workspace", result=result) == 1
    assert value(metrics, "agentos_operator_reconciliation_seconds_count", kind="Workspace") == 1


async def test_a_failure_is_counted_and_still_the_queues_to_repeat() -> None:
    metrics = Metrics()

    async def reconcile(_: Key) -> Again | None:
        raise OSError("planted")

    with pytest.raises(OSError, match="planted"):
        await metrics.measured(reconcile)(WORKSPACE)
    assert value(metrics, "agentos_operator_reconciliations_total", kind="Workspace", result="failed") == 1


async def test_being_told_to_stop_is_no_failure() -> None:
    metrics = Metrics()

    async def reconcile(_: Key) -> Again | None:
        await asyncio.Event().wait()
        return None

    async def work() -> None:
        await metrics.measured(reconcile)(WORKSPACE)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert value(metrics, "agentos_operator_reconciliations_total", kind="Workspace", result="failed") is None


async def test_the_queue_and_the_leadership_are_told_as_they_are() -> None:
    async def nothing(_: Key) -> None:
        return None

    metrics, queue, leading = Metrics(), Queue(nothing, 600), [False]
    metrics.watch({"reconcile": queue}, lambda: leading[0])
    assert value(metrics, "agentos_operator_leader") == 0
    queue.mark(WORKSPACE)
    queue.mark(Key("AgentDeployment", "ws-planted", "support"))
    leading[0] = True
    assert value(metrics, "agentos_operator_leader") == 1
    assert value(metrics, "agentos_operator_queue_keys", queue="reconcile") == 2
    oldest = value(metrics, "agentos_operator_queue_oldest_seconds", queue="reconcile")
    assert oldest is not None
    assert oldest >= 0


def resource(name: str, ready: str | None) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    return {"kind": "Workspace", "metadata": {"name": name}, "status": {"conditions": conditions}}


def test_resources_are_counted_by_their_condition_and_never_named() -> None:
    metrics = Metrics()
    metrics.watch({}, lambda: True)
    for name, ready in (("planted", "False"), ("b", "True"), ("c", None), ("d", "planted-status")):
        metrics.observe(resource(name, ready), deleted=False)
    metrics.observe(resource("planted", "True"), deleted=False)
    metrics.observe(resource("b", "True"), deleted=True)
    assert value(metrics, "agentos_operator_resources", kind="Workspace", ready="True") == 1
    assert value(metrics, "agentos_operator_resources", kind="Workspace", ready="Unknown") == 2
    assert value(metrics, "agentos_operator_resources", kind="Workspace", ready="False") is None
    assert b"planted" not in generate_latest(metrics.registry)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


async def test_metrics_are_served_at_their_path_and_nothing_else_is() -> None:
    port = free_port()
    async with served(Metrics(), "127.0.0.1", port), aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert answer.status == 200
            assert "agentos_operator_build_info" in await answer.text()
        async with session.get(f"http://127.0.0.1:{port}/") as answer:
            assert answer.status == 404


async def test_a_task_that_never_ends_shows_in_the_number_of_tasks() -> None:
    metrics, hangs = Metrics(), asyncio.Event()
    metrics.exposition()
    before = value(metrics, "agentos_operator_tasks")
    assert before is not None
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(hangs.wait())
        metrics.exposition()
        hangs.set()
    assert value(metrics, "agentos_operator_tasks") == before + 3


async def test_a_port_that_is_taken_is_an_error_that_names_the_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError, match="--metrics-port"):
        async with served(Metrics(), "127.0.0.1", taken.getsockname()[1]):
            raise AssertionError


def test_the_process_serves_them_while_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    port, scraped = free_port(), []

    async def no_cluster() -> Kubernetes:
        return Kubernetes(cast("ApiClient", object()))

    async def watching(_: Operator, stop: asyncio.Event, liveness: str) -> None:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            scraped.append(await answer.text())
        stop.set()

    given = yaml.safe_load((GOLDEN / "a-workspace-with-every-default" / "input.yaml").read_text())
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(given["settings"]))
    monkeypatch.setattr(program, "connect", no_cluster)
    monkeypatch.setattr("agentos_operator.main.run", watching)
    monkeypatch.setattr(program, "configure_logging", lambda _: None)
    liveness = ["--liveness", "http://127.0.0.1:1/healthz"]
    assert program.run(["--config", str(config), *liveness, "--metrics-port", str(port)]) == 0
    assert "agentos_operator_leader 0.0" in scraped[0]


def openings(settings: Settings, metrics: PodPeer | None) -> list[Any]:
    """What the policy of a workspace lets in."""
    network = settings.network.model_copy(update={"metrics": metrics})
    given = yaml.safe_load((GOLDEN / "a-workspace-with-every-default" / "input.yaml").read_text())
    opened = settings.model_copy(update={"network": network})
    policy = build_openings(parse_workspace(given["workspace"]), configured_surroundings(opened), opened)
    rules: list[Any] = policy["spec"]["ingress"]
    return rules


def test_the_metrics_port_is_closed_to_all_until_a_namespace_is_named(settings: Settings) -> None:
    assert 9464 not in [port["port"] for rule in openings(settings, None) for port in rule["ports"]]


def test_prometheus_gets_the_metrics_port_and_no_other(settings: Settings) -> None:
    (added,) = [rule for rule in openings(settings, PROMETHEUS) if rule not in openings(settings, None)]
    assert added == {
        "from": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
                "podSelector": {"matchLabels": {"app": "prometheus"}},
            }
        ],
        "ports": [{"protocol": "TCP", "port": 9464}],
    }
