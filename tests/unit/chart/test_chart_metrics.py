"""What the chart opens for Prometheus, and that it opens nothing unless it is told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.chart.test_chart_render import configuration, pod


def test_nobody_reads_a_workspaces_metrics_until_a_namespace_is_named(render: Any, tmp_path: Path) -> None:
    assert configuration(render(), tmp_path).network.metrics is None


def test_the_operators_pods_and_no_others_of_its_namespace_may_ask_for_a_runtimes_state(
    render: Any, tmp_path: Path
) -> None:
    rendered = render()
    operator = configuration(rendered, tmp_path).network.operator
    assert operator is not None
    assert operator.namespace == "platform"
    for kind, name in (("Deployment", "agentos-operator"), ("StatefulSet", "agentos-postgres")):
        labels = rendered.one(kind, name)["spec"]["template"]["metadata"]["labels"]
        assert (operator.pod_labels.items() <= labels.items()) is (name == "agentos-operator")


def test_the_operators_metrics_are_where_its_service_says(render: Any) -> None:
    rendered = render({"replicas": 2})
    service = rendered.one("Service", "agentos-metrics")["spec"]
    deployment = rendered.one("Deployment", "agentos-operator")["spec"]["template"]
    assert service["selector"].items() <= deployment["metadata"]["labels"].items()
    (container,) = deployment["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert container["args"] == [f"--metrics-port={ports['metrics']}"]
    assert service["ports"][0]["targetPort"] == "metrics"
    assert service["clusterIP"] == "None", "each replica has figures of its own"


def test_the_operators_metrics_can_be_left_out(render: Any) -> None:
    rendered = render({"metrics": {"operator": {"enabled": False}}})
    (container,) = pod(rendered, "Deployment", "agentos-operator")["containers"]
    assert "args" not in container
    assert [port["name"] for port in container["ports"]] == ["health"]
    assert [item["metadata"]["name"] for item in rendered.of("Service")] == ["agentos-postgres"]
