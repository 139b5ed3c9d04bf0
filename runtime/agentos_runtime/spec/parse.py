"""From the AgentDeployment's YAML to `Spec`. Called once, by the command line, before anything heavy loads.

The API server has checked the same document against the CRD already; here it is checked again because the
same file runs on a laptop, where nobody else does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.spec.limits import parse_limits
from agentos_runtime.spec.model import AgentSpec, Limits, ModelSpec, SecretRef, Spec, ToolkitSpec
from agentos_runtime.spec.node import Node

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_LABEL_MEANS = "a lower-case name of letters, digits and '-'"
_SECRET_NAME = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"  # noqa: S105 - a pattern of names
_SECRET_KEY = r"(?!\.\.?$)[A-Za-z0-9._-]{1,253}"  # noqa: S105 - a pattern of keys
_OPERATORS = ("image", "replicas", "resources", "env", "suspended", "routing", "events")
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
    spec = top["spec"].fields(["agents"], [*_OPERATORS, "limits"])
    agents = spec["agents"]
    parsed = tuple(_agent(node) for node in agents.items(at_least=1, at_most=50))
    _unique(agents, [agent.id for agent in parsed])
    limits = parse_limits(spec["limits"]) if "limits" in spec else Limits()
    return Spec(name=_metadata_name(top["metadata"]), agents=parsed, limits=limits)


def _metadata_name(metadata: Node) -> str:
    """Kubernetes fills metadata with much more than a name: only the name is read."""
    if not isinstance(metadata.value, dict) or metadata.value.get("name") is None:
        metadata.fail("name is missing; add it")
    return Node(metadata.value["name"], "metadata.name").name(_LABEL, _LABEL_MEANS)


def _unique(agents: Node, ids: list[str]) -> None:
    for id_ in ids:
        if ids.count(id_) > 1:
            agents.fail(f"two agents have the id {id_!r}; give each its own")


def _agent(node: Node) -> AgentSpec:
    optional = ("name", "description", "instructions", "tools", *_FLAGS, "numHistoryRuns")
    have = node.fields(["id", "model"], optional)
    return AgentSpec(
        id=have["id"].name(_LABEL, _LABEL_MEANS),
        model=_model(have["model"]),
        name=have["name"].text() if "name" in have else None,
        description=have["description"].text() if "description" in have else None,
        instructions=tuple(n.text() for n in have["instructions"].items()) if "instructions" in have else (),
        tools=tuple(_toolkit(n) for n in have["tools"].items()) if "tools" in have else (),
        num_history_runs=have["numHistoryRuns"].integer(1, 100) if "numHistoryRuns" in have else None,
        path=node.path,
        **{field: have[name].flag() for name, field in _FLAGS.items() if name in have},
    )


_FLAGS = {
    "markdown": "markdown",
    "addHistoryToContext": "add_history_to_context",
    "updateMemoryOnRun": "update_memory_on_run",
    "enableAgenticMemory": "enable_agentic_memory",
}


def _model(node: Node) -> ModelSpec:
    have = node.fields(["id"], ["baseURL", "apiKeySecretRef"])
    provider, colon, name = have["id"].text().partition(":")
    if not (colon and provider.strip() and name.strip()):
        have["id"].fail(f"{have['id'].value!r} must read '<provider>:<model>', e.g. 'openai-chat:gpt-4o-mini'")
    return ModelSpec(
        provider=provider.strip(),
        id=name.strip(),
        base_url=_url(have["baseURL"]) if "baseURL" in have else None,
        api_key=_secret(have["apiKeySecretRef"]) if "apiKeySecretRef" in have else None,
        path=node.path,
    )


def _url(node: Node) -> str:
    return node.name(r"https?://[^\s/?#]+[^\s?#]*", "an http or https URL without query, e.g. 'https://host/v1'")


def _secret(node: Node) -> SecretRef:
    have = node.fields(["name", "key"])
    return SecretRef(
        name=have["name"].name(_SECRET_NAME, "the name of a Secret"),
        key=have["key"].name(_SECRET_KEY, "a key of a Secret"),
    )


def _toolkit(node: Node) -> ToolkitSpec:
    have = node.fields(["toolkit"], ["options", "requiresConfirmation", "requiresApproval"])
    options = have["options"].value if "options" in have else {}
    if not isinstance(options, dict) or not all(isinstance(key, str) for key in options):
        have["options"].fail("must be a mapping of option names to values")
    return ToolkitSpec(
        name=have["toolkit"].name(r"[a-z0-9][a-z0-9_]{0,62}", "the name of a toolkit of agno, e.g. 'calculator'"),
        options=options,
        requires_confirmation=_texts(have.get("requiresConfirmation")),
        requires_approval=_texts(have.get("requiresApproval")),
        path=node.path,
    )


def _texts(node: Node | None) -> tuple[str, ...]:
    return tuple(item.text() for item in node.items()) if node is not None else ()


def _short(error: Exception) -> str:
    """An error on one line: the message goes into a condition and a termination log."""
    return " ".join(str(error).split())[:300]
