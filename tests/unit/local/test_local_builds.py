"""Building the cluster's binaries out of published modules, without building any."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from local import crds, gobuild, toolchain

GO_MOD = """module k8s.io/kubernetes

go 1.24.0

tool (
	example.com/gone/cmd/gone
)

tool example.com/also/gone

require github.com/osrg/gobgp/v4 v4.0.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/client-go => ./staging/src/k8s.io/client-go
)
"""


def test_staging_modules_are_replaced_by_their_releases() -> None:
    replace = gobuild.staging_replacements(GO_MOD, "v1.34.4")
    text = gobuild.standalone_go_mod(GO_MOD, replace)
    assert "./staging" not in text
    assert "replace k8s.io/client-go => k8s.io/client-go v0.34.4\n" in text


def test_tools_that_no_proxy_may_have_are_dropped() -> None:
    text = gobuild.standalone_go_mod(GO_MOD, {})
    assert "gone" not in text
    assert "require github.com/osrg/gobgp/v4 v4.0.0" in text


def test_a_module_is_replaced_once_also_where_its_authors_replaced_it() -> None:
    text = "module m\n\nreplace example.com/a => example.com/fork v1.0.0\n"
    edited = gobuild.standalone_go_mod(text, {"example.com/a": "example.com/a v1.2.3"})
    assert edited.count("replace example.com/a") == 1
    assert "fork" not in edited


def test_every_binary_that_a_cluster_needs_can_be_built() -> None:
    needed = {*toolchain.CONTROL_PLANE, *toolchain.NODE, *toolchain.IMAGES}
    assert needed <= set(toolchain.COMMANDS)


def test_kubernetes_says_which_version_it_is() -> None:
    stamps = toolchain.COMMANDS["kube-apiserver"].stamps
    assert f"k8s.io/component-base/version.gitVersion={toolchain.KUBERNETES}" in stamps


def test_definitions_of_others_lose_their_prose_and_nothing_else(tmp_path: Path) -> None:
    field = {"type": "string", "description": "prose", "default": "x"}
    schema = {"description": "prose", "type": "object", "properties": {"description": field, "list": {"items": field}}}
    definition = {
        "kind": "CustomResourceDefinition",
        "spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]},
    }
    source, target = tmp_path / "crds.yaml", tmp_path / "crds.json"
    source.write_text(yaml.safe_dump_all([definition, {"kind": "ConfigMap"}]))
    crds.collect([source], target)
    (kept,) = json.loads(target.read_text())
    bare = {"type": "string", "default": "x"}
    assert kept["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == {
        "type": "object",
        "properties": {"description": bare, "list": {"items": bare}},
    }
