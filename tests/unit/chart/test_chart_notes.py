"""The text after `helm install` tells what is still missing on this cluster."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.chart.conftest import CHART, KUBERNETES

Notes = Callable[..., str]
GATEWAY_API = ("--api-versions", "gateway.networking.k8s.io/v1")


@pytest.fixture
def notes(helm: Any, tmp_path: Path) -> Notes:
    """NOTES.txt rendered; as a template of another name, because `helm template` never shows the notes."""
    chart = tmp_path / "agentos"
    shutil.copytree(CHART, chart)
    text = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "_notes.tpl").write_text('{{ define "notes" }}' + text + "{{ end }}")
    (chart / "templates" / "notes.yaml").write_text('notes: {{ include "notes" . | toJson }}')
    (chart / "templates" / "NOTES.txt").unlink()

    def call(values: dict[str, Any] | None = None, *flags: str) -> str:
        arguments = ["template", "agentos", str(chart), "-n", "platform", "--kube-version", KUBERNETES]
        rendered = helm(*arguments, "-s", "templates/notes.yaml", "-f", "-", *flags, values=values)
        return str(yaml.safe_load(rendered)["notes"])

    return call


def test_an_evaluation_is_told_what_it_must_not_become(notes: Notes) -> None:
    text = notes()
    assert "EVALUATION ONLY" in text
    assert "Its data ends with its pod" in text
    kept = notes({"database": {"embedded": {"persistence": {"enabled": True}}}})
    assert "Its data ends with its pod" not in kept


def test_a_cluster_without_gateway_api_is_told_what_to_install(notes: Notes) -> None:
    assert "This cluster has no Gateway API" in notes()
    text = notes({}, *GATEWAY_API)
    assert "This cluster has no Gateway API" not in text
    assert "kubectl -n agentos-gateway get gateway agentos" in text
    assert "Gateway" not in notes({"routing": {"mode": "Ingress", "sourceNamespaces": ["ingress"]}})


def test_a_production_installation_is_not_bothered(notes: Notes) -> None:
    server = {"name": "default", "host": "h", "existingSecret": "s", "network": {"cidrs": ["10.0.0.1/32"]}}
    values = {
        "database": {"embedded": {"enabled": False}, "servers": [server]},
        "routing": {"baseDomain": "agents.example.com"},
        "image": {"repository": "registry.example.com/agentos-operator"},
    }
    text = notes(values, *GATEWAY_API)
    for warning in ("EVALUATION", "only this machine", "expected on the nodes", "No server is called"):
        assert warning not in text
    server["name"] = "main"
    assert "No server is called `default`: every Workspace must name one of main" in notes(values, *GATEWAY_API)


def test_the_first_workspace_can_be_pasted(notes: Notes) -> None:
    _, _, rest = notes().partition("<<EOF\n")
    workspace = yaml.safe_load(rest.partition("\nEOF\n")[0])
    assert workspace["kind"] == "Workspace"
    assert workspace["spec"] == {"displayName": "Acme"}
