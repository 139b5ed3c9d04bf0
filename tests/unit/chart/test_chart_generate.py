"""What is generated from crds/ is current, whole and survives Helm's template engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts import catalogue, generate


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of everything that the generator reads and writes."""
    for folder in ("crds", "charts", "docs", generate.SCHEMAS.parent, catalogue.PLACE.parent):
        shutil.copytree(generate.ROOT / folder, tmp_path / folder)
    shutil.copy(generate.ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def crd(name: str) -> Any:
    return yaml.load((generate.ROOT / "crds" / f"{name}.yaml").read_text(), Loader=yaml.CSafeLoader)


def test_generated_files_of_this_checkout_are_current() -> None:
    assert generate.differing(generate.ROOT) == []


def test_a_changed_description_makes_template_and_reference_stale(checkout: Path) -> None:
    path = checkout / "crds" / "workspaces.yaml"
    path.write_text(path.read_text().replace("The name people see;", "The name that people see;"))
    assert generate.differing(checkout) == [
        Path("charts/agentos/templates/crds/workspaces.yaml"),
        Path("docs/reference.md"),
    ]


def test_a_new_version_of_the_project_makes_the_chart_stale(checkout: Path) -> None:
    path = checkout / "pyproject.toml"
    path.write_text(path.read_text().replace('version = "', 'version = "9', 1))
    assert generate.differing(checkout) == [Path("charts/agentos/Chart.yaml")]


def test_a_new_limit_makes_all_that_tells_of_it_stale(checkout: Path) -> None:
    path = checkout / "crds" / "workspaces.yaml"
    path.write_text(path.read_text().replace("maxLength: 120", "maxLength: 121", 1))
    assert generate.differing(checkout) == [
        Path("charts/agentos/templates/crds/workspaces.yaml"),
        Path("docs/reference.md"),
        generate.SCHEMAS,
    ]


def test_a_catalogue_of_another_agno_is_stale(checkout: Path) -> None:
    path = checkout / catalogue.PLACE
    path.write_text(path.read_text().replace('"agno": "3', '"agno": "2', 1))
    assert generate.differing(checkout) == [catalogue.PLACE]


def test_a_missing_file_is_stale(checkout: Path) -> None:
    (checkout / "docs" / "reference.md").unlink()
    assert generate.differing(checkout) == [Path("docs/reference.md")]


@pytest.mark.parametrize("name", generate.TITLES)
def test_rendered_crd_is_the_source_with_the_keep_policy(render: Any, name: str) -> None:
    source = crd(name)
    source["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
    assert render().one("CustomResourceDefinition", source["metadata"]["name"]) == source


def test_crds_can_be_left_to_somebody_else(render: Any) -> None:
    assert render({"crds": {"install": False}}).of("CustomResourceDefinition") == []


def test_braces_in_a_description_reach_the_cluster_unchanged(render: Any, helm: Any, checkout: Path) -> None:
    path = checkout / "crds" / "workspaces.yaml"
    spoken = "Such as {{ .Values.x }} or {{- end }} or }} or {{{{."
    path.write_text(path.read_text().replace("The name people see; free text, changed at any time.", f"'{spoken}'"))
    for made, text in generate.outputs(checkout).items():
        (checkout / made).write_text(text)
    chart = str(checkout / generate.CHART)
    text = helm("template", "x", chart, "--kube-version", "1.34.0", "-s", "templates/crds/workspaces.yaml")
    schema = yaml.safe_load(text)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert schema["properties"]["spec"]["properties"]["displayName"]["description"] == spoken


def test_reference_has_every_field_of_both_resources() -> None:
    text = (generate.ROOT / "docs" / "reference.md").read_text()
    for name in generate.TITLES:
        schema = crd(name)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for part in ("spec", "status"):
            found = [row.path for row in generate.rows(part, schema["properties"][part], required=False)]
            assert [path for path in found[1:] if f"| `{path}` |" not in text] == []


def test_reference_lists_the_rules_that_join_fields() -> None:
    text = (generate.ROOT / "docs" / "reference.md").read_text()
    assert "- `spec.database`: spec.database.server is immutable" in text
    assert "- `spec.agents[].name" not in text
    assert "- `spec.network.egress[]`: name exactly one destination" in text


def test_every_field_is_described() -> None:
    for name in generate.TITLES:
        schema = crd(name)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert [row.path for row in generate.rows("", schema, required=False) if not row.text] == []


@pytest.mark.parametrize("name", generate.TITLES)
def test_a_crd_fits_into_the_annotation_that_kubectl_apply_keeps_it_in_with_room_to_grow(name: str) -> None:
    """kubectl refuses one that takes all annotations of an object beyond 256 KiB."""
    assert len(json.dumps(crd(name))) < 128 * 1024


def test_check_says_what_to_run(capsys: pytest.CaptureFixture[str], monkeypatch: Any, checkout: Path) -> None:
    (checkout / "docs" / "reference.md").write_text("old")
    monkeypatch.setattr(generate, "ROOT", checkout)
    assert generate.main(["--check"]) == 1
    assert "python charts/generate.py" in capsys.readouterr().out
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
