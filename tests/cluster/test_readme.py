"""The README's own examples, done as it says."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from local import toolchain
from tests.cluster.tenancy import Tenancy, agent_deployment, workspace

README = (Path(__file__).parents[2] / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def readme(tenancy: Tenancy) -> Iterator[Tenancy]:
    """A workspace of its own for commands that change things."""
    tenancy.apply(workspace("readme", deletionPolicy="Delete"))
    tenancy.wait("workspace", "readme")
    tenancy.apply(agent_deployment("readme"))
    yield tenancy
    tenancy.kubectl("delete", "workspace", "readme", "--timeout=120s")


def test_both_resources_of_the_readme_are_accepted(tenancy: Tenancy) -> None:
    (block,) = _blocks("yaml")
    kinds = [document["kind"] for document in yaml.safe_load_all(block)]
    assert kinds == ["Workspace", "AgentDeployment"]
    assert "serverside-applied" in tenancy.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", stdin=block
    )


def test_the_commands_for_a_real_model_put_the_key_in_and_the_scripted_model_out(readme: Tenancy) -> None:
    commands = next(block for block in _blocks("sh") if "OPENAI_API_KEY" in block).replace("ws-acme", "ws-readme")
    folder = toolchain.ensure(["kubectl"])["kubectl"]
    alias = f'kubectl() {{ "{folder}" "$@"; }}\nset -e\n'
    environment = {**os.environ, "KUBECONFIG": str(readme.kubeconfig), "OPENAI_API_KEY": "planted-key"}
    subprocess.run(["bash", "-c", alias + commands], env=environment, check=True, capture_output=True)
    assert readme.secret_value("openai", "ws-readme", "api-key") == "planted-key"
    (agent,) = readme.get("agentdeployment", "support", "ws-readme")["spec"]["agents"]
    assert "baseURL" not in agent["model"]
    readme.wait("agentdeployment", "support", "ws-readme")


def test_every_page_that_the_readme_links_to_is_there() -> None:
    root = Path(__file__).parents[2]
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert [link for link in links if not (root / link).exists()] == []
