"""Write what follows from crds/ and agno: the chart's templates of both resources, docs/reference.md and more.

`python charts/generate.py` writes them, `make lint` calls `python charts/generate.py --check`. The schema in crds/, the
version in pyproject.toml and the source of the pinned agno are the only sources; whoever changes one runs this.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a script finds only what lies beside it

from charts import catalogue  # noqa: E402 - as above

CHART = Path("charts/agentos")
SCHEMAS = Path("operator/agentosctl/schemas.json")
TITLES = ("workspaces", "agentdeployments")
"""The files of crds/, in the order in which a reader meets the resources."""

TEMPLATE_HEAD = """\
{{- /* Made by charts/generate.py from crds/; change it there. */ -}}
{{- if .Values.crds.install }}
"""
TEMPLATE_TAIL = "{{- end }}\n"

REFERENCE_HEAD = """\
# Reference

<!-- Made by charts/generate.py from crds/; change it there. -->

Every field of both resources, as `kubectl explain <resource> --recursive` shows them too. Unknown fields are
refused.
"""


class _Resolved(yaml.SafeDumper):
    """Plain YAML: anchors are written out, because Helm's parser and readers do without them more easily."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def escaped(text: str) -> str:
    """`text` such that Helm's template engine gives it back as it is; only `{{` has a meaning to it."""
    return text.replace("{{", '{{ "{{" }}')


def crd_template(crd: Mapping[str, Any]) -> str:
    """The CRD as a chart template.

    As a template and not in the chart's crds/ folder, which Helm installs but never upgrades. The `keep`
    policy has `helm uninstall` leave the CRD, because its deletion would delete every Workspace with it.
    """
    annotations = {**crd["metadata"].get("annotations", {}), "helm.sh/resource-policy": "keep"}
    kept = {**crd, "metadata": {**crd["metadata"], "annotations": annotations}}
    text = yaml.dump(kept, Dumper=_Resolved, sort_keys=False, width=110, allow_unicode=True)
    return TEMPLATE_HEAD + escaped(text) + TEMPLATE_TAIL


@dataclass(frozen=True)
class Row:
    """One line of a field table."""

    path: str
    type: str
    limits: str
    text: str


def rows(path: str, schema: Mapping[str, Any], *, required: bool) -> Iterator[Row]:
    """The field at `path` and everything below it, in the schema's order."""
    if path:
        yield Row(path, _type(schema), _limits(schema, required=required), _text(schema))
    inner, prefix = (schema["items"], f"{path}[]") if schema.get("type") == "array" else (schema, path)
    for name, field in inner.get("properties", {}).items():
        if (prefix, name) == ("", "metadata"):
            continue  # every object has it, and a CRD may not describe it
        below = f"{prefix}.{name}" if prefix else name
        yield from rows(below, field, required=name in inner.get("required", ()))


def _type(schema: Mapping[str, Any]) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    kind = str(schema["type"])
    if kind == "array":
        return f"[]{_type(schema['items'])}"
    if kind == "object" and "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    return kind


_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "{} or more characters",
    "maxLength": "up to {} characters",
    "minItems": "{} or more items",
    "maxItems": "up to {} items",
    "pattern": "pattern `{}`",
}


def _limits(schema: Mapping[str, Any], *, required: bool) -> str:
    parts = ["**required**"] if required else []
    if schema.get("default") not in (None, {}):
        parts.append(f"default `{_scalar(schema['default'])}`")
    if "enum" in schema:
        parts.append("one of " + ", ".join(f"`{value}`" for value in schema["enum"]))
    parts += [text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema]
    return "; ".join(parts)


def _scalar(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True).strip().removesuffix("\n...").strip("'")


def _text(schema: Mapping[str, Any]) -> str:
    return " ".join(str(schema.get("description", "")).split())


def rules(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and message of every rule that goes beyond one field's own limits."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, str(rule["message"])
    inner, prefix = (schema["items"], f"{path}[]") if schema.get("type") == "array" else (schema, path)
    if inner is not schema:
        for rule in inner.get("x-kubernetes-validations", ()):
            yield prefix, str(rule["message"])
    for name, field in inner.get("properties", {}).items():
        yield from rules(f"{prefix}.{name}" if prefix else name, field)


def _cell(text: str) -> str:
    """Text inside a Markdown table: a bar would end the cell, a `<` would begin HTML outside of code."""
    plain = [part if part.startswith("`") else part.replace("<", "&lt;") for part in re.split(r"(`[^`]*`)", text)]
    return "".join(plain).replace("|", "\\|")


def _table(found: list[Row]) -> str:
    head = "| Field | Type | Limits | Meaning |\n|---|---|---|---|\n"
    lines = [f"| `{row.path}` | {row.type} | {_cell(row.limits)} | {_cell(row.text)} |" for row in found]
    return head + "\n".join(lines) + "\n"


def reference_section(crd: Mapping[str, Any]) -> str:
    """The chapter of one resource: what it is, its fields, its rules, its status."""
    names, version = crd["spec"]["names"], crd["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    scope = "cluster-scoped" if crd["spec"]["scope"] == "Cluster" else "namespaced"
    api = f"`apiVersion: {crd['spec']['group']}/{version['name']}`"
    head = f"## {names['kind']}\n\n{_text(schema)}\n\n{api}, {scope}, short name `{names['shortNames'][0]}`.\n"
    spec, status = (list(rows(part, schema["properties"][part], required=False)) for part in ("spec", "status"))
    listed = "\n".join(f"- {f'`{path}`: ' if path else ''}{_cell(message)}" for path, message in rules("", schema))
    parts = [head, _table(spec[1:]), f"### Rules\n\n{listed}\n", f"### Status\n\n{_table(status[1:])}"]
    return "\n".join(parts)


_NOT_CHECKED = {"description", "default", "anyOf", "format", "x-kubernetes-validations"}
"""What `agentosctl validate` makes no use of: `anyOf` only says once more that a number or a string will do."""


def schemas_text(crds: Iterable[Mapping[str, Any]]) -> str:
    """Both schemas for `agentosctl validate`, a line each."""
    lines = []
    for crd in crds:
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        properties = {**schema["properties"], "metadata": free, "status": free}
        text = json.dumps(_checked({**schema, "properties": properties}), separators=(",", ":"))
        lines.append(f'"{crd["spec"]["names"]["kind"]}": {text}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _checked(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key not in _NOT_CHECKED}
    if "properties" in kept:
        kept["properties"] = {name: _checked(field) for name, field in kept["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in kept:
            kept[key] = _checked(kept[key])
    return kept


def chart_yaml(text: str, version: str) -> str:
    """Chart.yaml with the project's version as the chart's and the application's."""
    text = re.sub(r"(?m)^version: .*$", f"version: {version}", text)
    return re.sub(r"(?m)^appVersion: .*$", f'appVersion: "{version}"', text)


def outputs(root: Path) -> dict[Path, str]:
    """Every generated file, by its path below `root`, with the text it ought to have."""
    crds = {name: yaml.safe_load((root / "crds" / f"{name}.yaml").read_text()) for name in TITLES}
    version = str(tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"])
    made = {CHART / "templates" / "crds" / f"{name}.yaml": crd_template(crd) for name, crd in crds.items()}
    made[Path("docs/reference.md")] = "\n".join([REFERENCE_HEAD, *map(reference_section, crds.values())])
    made[SCHEMAS] = schemas_text(crds.values())
    made[catalogue.PLACE] = catalogue.catalogue_text()
    made[CHART / "Chart.yaml"] = chart_yaml((root / CHART / "Chart.yaml").read_text(), version)
    return made


def differing(root: Path) -> list[Path]:
    """The generated files that are missing or are not what their sources say."""
    made = outputs(root)
    return [path for path, text in made.items() if not (root / path).is_file() or (root / path).read_text() != text]


def main(argv: list[str] | None = None) -> int:
    """Write the files, or with --check only say which ones differ."""
    parser = argparse.ArgumentParser(description="Make what follows from crds/ and from agno.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a file is out of date")
    options = parser.parse_args(argv)
    stale = differing(ROOT)
    if options.check:
        for path in stale:
            sys.stdout.write(f"{path} is not what its source says: run `python charts/generate.py`\n")
        return 1 if stale else 0
    made = outputs(ROOT)
    for path in stale:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(made[path])
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
