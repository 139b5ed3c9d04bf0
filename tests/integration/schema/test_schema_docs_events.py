"""The resources of docs/events.md are accepted as they stand there, and lead to one another."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from agentos_spec import parse_spec
from tests.integration.schema.bodies import deployment, workspace

if TYPE_CHECKING:
    from tests.integration.apiserver import ApiServer

TEXT = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
BLOCKS = {name: yaml.safe_load(text) for name, text in re.findall(r"(?ms)^```yaml (\S+)\n(.*?)^```$", TEXT)}


def test_an_agent_deployment_has_events_as_the_page_says(
    api_server: ApiServer, namespace: str, fresh_name: Callable[[], str]
) -> None:
    document = BLOCKS["agent-deployment.yaml"]
    parse_spec(document)
    stored = api_server.create(deployment(fresh_name(), **document["spec"]))["spec"]["events"]
    secret = BLOCKS["secret.yaml"]
    assert stored["redis"]["urlSecretRef"] == {
        "name": secret["metadata"]["name"],
        "key": next(iter(secret["stringData"])),
    }


def test_a_workspace_lets_it_reach_the_redis_of_the_page(api_server: ApiServer, fresh_name: Callable[[], str]) -> None:
    stored = api_server.create(workspace(fresh_name(), **BLOCKS["workspace.yaml"]["spec"]))["spec"]
    (rule,) = stored["network"]["egress"]
    host = BLOCKS["secret.yaml"]["stringData"]["url"].partition("@")[2]
    assert host == f"redis.{rule['namespace']}.svc:{rule['ports'][0]['port']}/0"
