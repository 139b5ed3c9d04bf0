"""From the AgentDeployment's YAML to `Spec`. Called once, by the command line, before anything heavy loads.

The API server has checked the same document against the CRD already; here it is checked again because the
same file runs on a laptop, where nobody else does, and because a schema cannot tell whether a member exists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.spec.components import LABEL, LABEL_MEANS, parse_agent, parse_team
from agentos_runtime.spec.limits import parse_limits
from agentos_runtime.spec.model import Limits, Spec
from agentos_runtime.spec.node import Node
from agentos_runtime.spec.references import check_references
from agentos_runtime.spec.workflows import parse_workflow

_OPERATORS = ("image", "replicas", "autoscaling", "resources", "env", "suspended", "routing", "observability", "events")
"""Fields of the same spec that only the operator acts on."""


def load_spec(path: Path) -> Spec:
    """Read and parse the file; a StartupError says what to change."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(Reason.INVALID_SPEC, f"{path}: cannot be read: {_short(error)}") from error
    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, RecursionError) as error:
        raise StartupError(Reason.INVALID_SPEC, f"{path}: is not YAML: {_short(error)}") from error
    return parse_spec(document)


def parse_spec(document: Any) -> Spec:
    """Parse an AgentDeployment document."""
    top = Node(document, "document").fields(["kind", "metadata", "spec"], ["apiVersion", "status"])
    top = {name: Node(node.value, name) for name, node in top.items()}
    if top["kind"].text() != "AgentDeployment":
        top["kind"].fail(f"is {top['kind'].value!r}; this file must hold an AgentDeployment")
    have = top["spec"].fields(["agents"], [*_OPERATORS, "teams", "workflows", "limits"])
    spec = Spec(
        name=_metadata_name(top["metadata"]),
        agents=tuple(parse_agent(node) for node in _items(have, "agents")),
        teams=tuple(parse_team(node) for node in _items(have, "teams")),
        workflows=tuple(parse_workflow(node) for node in _items(have, "workflows")),
        limits=parse_limits(have["limits"]) if "limits" in have else Limits(),
    )
    check_references(spec)
    return spec


def _items(have: dict[str, Node], name: str) -> list[Node]:
    return have[name].items(at_least=1, at_most=50) if name in have else []


def _metadata_name(metadata: Node) -> str:
    """Kubernetes fills metadata with much more than a name: only the name is read."""
    if not isinstance(metadata.value, dict) or metadata.value.get("name") is None:
        metadata.fail("name is missing; add it")
    return Node(metadata.value["name"], "metadata.name").name(LABEL, LABEL_MEANS)


def _short(error: Exception) -> str:
    """An error on one line: the message goes into a condition and a termination log."""
    return " ".join(str(error).split())[:300]
