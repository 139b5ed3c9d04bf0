"""The resources of docs/observability.md are accepted as they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.integration.schema.bodies import deployment, workspace

if TYPE_CHECKING:
    from tests.integration.apiserver import ApiServer

TEXT = (Path(__file__).parents[3] / "docs" / "observability.md").read_text()
BLOCKS = dict(re.findall(r"(?ms)^```yaml (\S+)\n(.*?)^```$", TEXT))


def test_an_agent_deployment_sends_traces_as_the_page_says(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str]
) -> None:
    said = yaml.safe_load(BLOCKS["agent-deployment.yaml"])["spec"]
    stored = api_server.create(deployment(fresh_name(), **said))["spec"]
    assert stored["observability"]["tracing"]["samplePercent"] == 10


def test_a_workspace_lets_them_out_as_the_page_says(api_server: ApiServer, fresh_name: Callable[[], str]) -> None:
    said = yaml.safe_load(BLOCKS["workspace.yaml"])["spec"]
    stored = api_server.create(workspace(fresh_name(), **said))["spec"]
    assert stored["network"]["egress"][0]["ports"] == [{"port": 4318, "protocol": "TCP"}]
