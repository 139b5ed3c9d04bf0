"""The resources of docs/scaling.md are accepted as they stand there, and its names are those of the code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from agentos_operator.desired.autoscaler import ACTIVE_RUNS
from agentos_runtime.metrics import Metrics
from agentos_spec import parse_spec
from tests.integration.schema.bodies import deployment

if TYPE_CHECKING:
    from tests.integration.apiserver import ApiServer

TEXT = (Path(__file__).parents[3] / "docs" / "scaling.md").read_text()
BLOCKS = {name: yaml.safe_load(text) for name, text in re.findall(r"(?ms)^```yaml (\S+)\n(.*?)^```$", TEXT)}


def test_an_agent_deployment_is_scaled_as_the_page_says(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str]
) -> None:
    document = BLOCKS["agent-deployment.yaml"]
    parse_spec(document)
    stored = api_server.create(deployment(fresh_name(), **document["spec"]))["spec"]
    assert stored["autoscaling"] == document["spec"]["autoscaling"]


def test_the_adapter_publishes_the_metric_that_runtimes_have_under_the_name_that_is_asked_for() -> None:
    (rule,) = BLOCKS["adapter.yaml"]["rules"]
    assert rule["seriesQuery"].partition("{")[0] == ACTIVE_RUNS
    assert re.fullmatch(rule["name"]["matches"], ACTIVE_RUNS)
    assert Metrics().registry.get_sample_value(ACTIVE_RUNS) == 0
    assert rule["resources"]["overrides"].keys() == {"namespace", "pod"}, "what the autoscaler asks by"


def test_an_autoscaler_of_ones_own_names_what_has_a_scale_subresource() -> None:
    spec = BLOCKS["scaled-object.yaml"]["spec"]
    target = spec["scaleTargetRef"]
    assert (target["apiVersion"], target["kind"]) == ("agentos.hyvve.io/v1alpha1", "AgentDeployment")
    assert ACTIVE_RUNS in spec["triggers"][0]["metadata"]["query"]
