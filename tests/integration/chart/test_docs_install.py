"""docs/install.md, block by block in its order, on a real API server and a real PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from psycopg import sql

from agentos_operator import settings as operator_settings
from agentos_operator.clients.postgres import PostgresServer, ServerSettings
from local import addons, controlplane, toolchain
from local.steps import wait_until
from tests.integration.chart.bench import CHART, Bench

if TYPE_CHECKING:
    from tests.servers import PostgresProcess

TEXT = (CHART.parents[1] / "docs" / "install.md").read_text()
BLOCKS = re.findall(r"(?ms)^```(\w+)(?: (\S+))?\n(.*?)^```$", TEXT)


def sections() -> dict[str, list[tuple[str, str, str]]]:
    """The fenced blocks below each heading: language, file name, text."""
    found = {}
    for part in TEXT.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        found[title] = re.findall(r"(?ms)^```(\w+)(?: (\S+))?\n(.*?)^```$", body)
    return found


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with controlplane.running() as plane:
        bench = Bench(plane)
        # As the page's `helm install envoy-gateway` brings them.
        crds = addons.gateway_chart() / "charts" / "crds" / "crds"
        bench.kubectl("apply", "--server-side", "-R", "-f", str(crds))
        bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        yield bench


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader stands: a checkout, with the files that the page has them write."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "charts").symlink_to(CHART.parent)
    return folder


def follow(bench: Bench, folder: Path, title: str) -> None:
    """Do what a section says."""
    for language, name, text in sections()[title]:
        if language == "sh":
            bench.shell(text, folder)
        elif name:
            (folder / name).write_text(text)


def test_the_page_is_followed_from_evaluation_to_removal(bench: Bench, folder: Path, tmp_path: Path) -> None:
    for title in ("Evaluate", "PostgreSQL", "Gateway", "Install", "Rights for people"):
        follow(bench, folder, title)
    wait_until(lambda: _served(bench), what="discovery", timeout=60, advice="")
    follow(bench, folder, "First workspace")
    assert bench.may("anyone", "create", "workspaces", group="agentos.hyvve.io") is False
    path = "-o=jsonpath={.data.config\\.yaml}"
    text = bench.kubectl("-n", "agentos-system", "get", "configmap", "agentos-operator", path)
    (tmp_path / "config.yaml").write_text(text)
    read = operator_settings.load(tmp_path / "config.yaml")
    assert read.routing.url("support--acme.agents.example.com") == "https://support--acme.agents.example.com"
    assert [server.host for server in read.database.servers] == ["postgres.example.com"]
    follow(bench, folder, "Upgrade and remove")
    assert "agentos.hyvve.io" not in bench.kubectl("get", "crd", "-o", "name")


def _served(bench: Bench) -> bool:
    return bench.run("kubectl", "get", "workspaces").returncode == 0


async def test_the_role_of_the_page_is_all_that_the_operator_needs(postgres: PostgresProcess, tmp_path: Path) -> None:
    as_superuser, in_database = (text for language, _, text in sections()["PostgreSQL"] if language == "sql")
    for statement in as_superuser.strip().split("\n"):
        postgres.run(sql.SQL(statement))
    for statement in in_database.strip().split("\n"):
        postgres.run(sql.SQL(statement), "agentos")
    (tmp_path / "username").write_text("agentos_operator")
    (tmp_path / "password").write_text("change-me")
    server = PostgresServer(
        ServerSettings("default", "127.0.0.1", postgres.port, "agentos", "disable", credentials_dir=tmp_path)
    )
    try:
        facts = await server.prepare()
    finally:
        await server.close()
    assert facts.pgvector_installed
    assert [text for text in facts.warnings if "pgvector 0.8.0 has known" not in text] == []


def test_versions_on_the_page_are_those_that_are_tested() -> None:
    assert f"--version {toolchain.ENVOY_GATEWAY}" in TEXT
    oldest = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]
    assert oldest == ">=1.30.0-0"
    assert "Kubernetes 1.30 or newer" in TEXT


def test_the_gateway_of_the_page_waits_for_models_as_ours_does() -> None:
    """The page shows what the local cluster uses, but for TLS and what only a cluster without load balancers needs."""
    page = {
        item["kind"]: item for _, name, text in BLOCKS if name == "gateway.yaml" for item in yaml.safe_load_all(text)
    }
    manifest = (CHART.parents[1] / "local" / "manifests" / "gateway.yaml").read_text()
    ours = {item["kind"]: item for item in yaml.safe_load_all(manifest)}
    for kind in ("ClientTrafficPolicy", "BackendTrafficPolicy"):
        assert page[kind]["spec"]["timeout"] == ours[kind]["spec"]["timeout"]
    page_listener, our_listener = (every["Gateway"]["spec"]["listeners"][0] for every in (page, ours))
    assert page_listener["allowedRoutes"] == our_listener["allowedRoutes"]
