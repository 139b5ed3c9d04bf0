"""From the AgentDeployment's YAML to `Spec`. Called once, by the command line, before anything heavy loads.

The API server has checked the same document against the CRD already; here it is checked again because the
same file runs on a laptop, where nobody else does, and because a schema cannot tell whether a member exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import yaml

from agentos_spec.components import LABEL, LABEL_MEANS, parse_agent, parse_team
from agentos_spec.documents import read_yaml
from agentos_spec.errors import SpecError, SpecReason
from agentos_spec.knowledge import parse_knowledge
from agentos_spec.limits import parse_limits
from agentos_spec.model import Limits, Spec
from agentos_spec.node import Node
from agentos_spec.references import check_references
from agentos_spec.schedules import parse_schedules
from agentos_spec.workflows import parse_workflow

T = TypeVar("T")
_CONTENT = ("agents", "teams", "workflows", "schedules", "knowledge", "limits")
_OPERATORS = ("image", "replicas", "autoscaling", "resources", "env", "suspended", "routing", "observability", "events")
"""Fields of the same spec that only the operator acts on."""


def load_spec(path: Path) -> Spec:
    """Read and parse the file; a SpecError says what to change."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(SpecReason.INVALID_SPEC, f"{path}: cannot be read: {_short(error)}") from error
    try:
        document = read_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError(SpecReason.INVALID_SPEC, f"{path}: is not YAML: {_short(error)}") from error
    return parse_spec(document)


def parse_spec(document: Any) -> Spec:
    """Parse an AgentDeployment document; a SpecError says what is wrong first."""
    spec, problems = examine(document)
    if problems:
        raise problems[0]
    return spec


def examine(document: Any) -> tuple[Spec, list[SpecError]]:
    """What can be read of a document, and what is wrong with its form: at most one problem for each part.

    Names are followed only where every part was read: a team whose member has a fault is not told that it is missing.
    """
    reading = _Reading()
    spec = reading.spec(document)
    if not reading.problems:
        reading.attempt(lambda: check_references(spec))
    return spec, reading.problems


class _Reading:
    """One document; goes on behind a part that cannot be read."""

    def __init__(self) -> None:
        self.problems: list[SpecError] = []

    def attempt(self, read: Callable[[], T]) -> T | None:
        """What `read` returns; what it refuses is kept."""
        try:
            return read()
        except SpecError as problem:
            self.problems.append(problem)
            return None

    def spec(self, document: Any) -> Spec:
        top = self.attempt(lambda: _top(document))
        if top is None:
            return Spec("")
        name = self.attempt(lambda: _metadata_name(top["metadata"])) or ""
        have = self.attempt(lambda: top["spec"].fields(["agents"], [*_OPERATORS, *_CONTENT])) or _content(top["spec"])
        return Spec(
            name=name,
            agents=self._all(have, "agents", parse_agent),
            teams=self._all(have, "teams", parse_team),
            workflows=self._all(have, "workflows", parse_workflow),
            schedules=self.attempt(lambda: parse_schedules(have["schedules"])) or () if "schedules" in have else (),
            knowledge=self._all(have, "knowledge", parse_knowledge),
            limits=self.attempt(lambda: parse_limits(have["limits"])) or Limits() if "limits" in have else Limits(),
        )

    def _all(self, have: dict[str, Node], field: str, parse: Callable[[Node], T]) -> tuple[T, ...]:
        nodes = self.attempt(lambda: have[field].items(at_least=1, at_most=50)) if field in have else None
        read = (self.attempt(partial(parse, node)) for node in nodes or ())
        return tuple(part for part in read if part is not None)


def _content(spec: Node) -> dict[str, Node]:
    """What is to be read of a spec whose other fields have a fault."""
    found = spec.value if isinstance(spec.value, Mapping) else {}
    return {name: Node(found[name], f"spec.{name}") for name in _CONTENT if found.get(name) is not None}


def _top(document: Any) -> dict[str, Node]:
    have = Node(document, "document").fields(["kind", "metadata", "spec"], ["apiVersion", "status"])
    top = {name: Node(node.value, name) for name, node in have.items()}
    if top["kind"].text() != "AgentDeployment":
        top["kind"].fail(f"is {top['kind'].value!r}; this file must hold an AgentDeployment")
    return top


def _metadata_name(metadata: Node) -> str:
    """Kubernetes fills metadata with much more than a name: only the name is read."""
    if not isinstance(metadata.value, dict) or metadata.value.get("name") is None:
        metadata.fail("name is missing; add it")
    return Node(metadata.value["name"], "metadata.name").name(LABEL, LABEL_MEANS)


def _short(error: Exception) -> str:
    """An error on one line: the message goes into a condition and a termination log."""
    return " ".join(str(error).split())[:300]
