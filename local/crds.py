"""CustomResourceDefinitions of others, applied by us: `local.cilium` and `local.addons` call it.

They are megabytes of YAML, which takes seconds to parse; so the cache keeps them as JSON.
"""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from local.api import Api
from local.steps import StepFailedError, wait_until

_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def collect(files: Iterable[Path], target: Path) -> None:
    """Write all definitions that the files hold into one that `apply` reads."""
    documents: list[dict[str, Any]] = []
    for file in files:
        documents += [found for found in yaml.safe_load_all(file.read_text()) if found]
    definitions = [found for found in documents if found["kind"] == "CustomResourceDefinition"]
    for definition in definitions:
        for version in definition["spec"]["versions"]:
            _strip(version["schema"]["openAPIV3Schema"])
    target.write_text(json.dumps(definitions))


def _strip(schema: Any) -> None:
    """Remove the descriptions of a schema: half its bytes, which the API server would parse and keep many times."""
    if not isinstance(schema, dict):
        return
    schema.pop("description", None)
    for part in schema.get("properties", {}).values():
        _strip(part)
    for key in ("items", "additionalProperties", "not"):
        _strip(schema.get(key))
    for key in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(key, []):
            _strip(part)


def apply(api: Api, source: Path) -> None:
    """Apply all definitions, a few at a time."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda definition: _apply_one(api, definition), json.loads(source.read_text())))


def _apply_one(api: Api, definition: dict[str, Any]) -> None:
    """Apply one; a server that has only just started may be too busy to answer the first time."""
    name = definition["metadata"]["name"]
    answers: list[int] = []

    def applied() -> bool:
        answers.append(api.apply(f"{_PATH}/{name}", definition))
        return answers[-1] not in (0, 409, 429, 500, 503, 504)

    advice = "See the log of kube-apiserver."
    wait_until(applied, what=f"the definition {name}", timeout=60, advice=advice, every=0.5)
    if answers[-1] not in (200, 201):
        raise StepFailedError(f"the API server answered {answers[-1]} to {name}", advice)
