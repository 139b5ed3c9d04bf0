"""docs/observability.md names every metric that there is, and its monitors find the pods."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import create_async_engine

from agentos_operator.metrics import Metrics as OperatorMetrics
from agentos_operator.workqueue import Queue
from agentos_runtime.metrics import Metrics as RuntimeMetrics
from agentos_runtime.metrics.pool import watch_pool
from tests.unit.chart.test_chart_render import configuration

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "observability.md").read_text()
BLOCKS = re.findall(r"(?ms)^```yaml[^\n]*\n(.*?)^```$", TEXT)
NAMED = re.findall(r"(?ms)^```yaml (\S+)\n(.*?)^```$", TEXT)
DEPLOYMENT = "a-deployment-of-one-agent-that-says-no-more-than-it-must"


def monitors() -> dict[str, Any]:
    """The spec of each monitor by its kind."""
    found = [yaml.safe_load(block) for block in BLOCKS]
    return {body["kind"]: body["spec"] for body in found if "kind" in body}


def told(section: str) -> dict[str, set[str]]:
    """The table of a section: metric names and their labels."""
    (body,) = [part for part in TEXT.split("\n## ") if part.startswith(section)]
    rows = re.findall(r"(?m)^\| `(agentos_\w+)` \|([^|]*)\|", body)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def real(registry: CollectorRegistry) -> dict[str, set[str]]:
    """What a process has: names as queries write them, and labels without a histogram's own."""
    found = {}
    for collector in set(registry._collector_to_names):
        for family in [*getattr(collector, "describe", list)(), *collector.collect()]:
            if family.name.startswith("agentos_"):
                suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
                names = getattr(collector, "_labelnames", None) or ()
                sampled = {key for sample in family.samples for key in sample.labels} - {"le"}
                found[family.name + suffix] = set(names) | sampled
    return found


async def test_every_metric_of_a_runtime_is_in_the_table() -> None:
    metrics = RuntimeMetrics()
    engine = create_async_engine("postgresql+psycopg://nobody@127.0.0.1:1/x")
    watch_pool(engine, 10, metrics.registry)
    assert told("Metrics of the runtimes") == real(metrics.registry)


async def test_every_metric_of_the_operator_is_in_the_table() -> None:
    async def nothing(_: Any) -> None:
        return None

    metrics = OperatorMetrics()
    metrics.watch({"reconcile": Queue(nothing, 600)}, lambda: True)
    metrics.observe({"kind": "Workspace", "metadata": {"name": "acme"}}, deleted=False)
    assert told("Metrics of the operator") == real(metrics.registry)


def test_the_pod_monitor_finds_the_runtimes_and_their_port() -> None:
    golden = ROOT / "tests" / "unit" / "operator" / "golden" / DEPLOYMENT / "output.yaml"
    (deployment,) = [body for body in yaml.safe_load_all(golden.read_text()) if body["kind"] == "Deployment"]
    pod, monitor = deployment["spec"]["template"], monitors()["PodMonitor"]
    assert monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert set(monitor["podTargetLabels"]) <= pod["metadata"]["labels"].keys()
    ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
    assert ports[monitor["podMetricsEndpoints"][0]["port"]] == 9464


def test_the_service_monitor_finds_the_operators_service(render: Any) -> None:
    service, monitor = render().one("Service", "agentos-metrics"), monitors()["ServiceMonitor"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_values_are_taken_by_the_chart(render: Any, tmp_path: Path) -> None:
    (block,) = [text for name, text in NAMED if name == "values.yaml"]
    peer = configuration(render(yaml.safe_load(block)), tmp_path).network.metrics
    assert peer is not None
    assert peer.namespace == "monitoring"
