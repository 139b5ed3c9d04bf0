"""`agentosctl validate`: what is wrong with resources, told without a cluster.

An AgentDeployment is refused here in the words in which the operator would refuse it; what the schemas of both kinds
say comes on top.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from agentos_spec import find_problems
from agentos_spec.errors import did_you_mean
from agentosctl.documents import Document
from agentosctl.errors import CliError, Invalid
from agentosctl.lines import plain
from agentosctl.schema import Problem, schema_problems, schemas

API_VERSION = "agentos.hyvve.io/v1alpha1"
GROUP = "agentos.hyvve.io/"
RESERVED = ("default", "public", "postgres", "template0", "template1", "agentos", "ext", "api", "kube")

NAME_RULES: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda name: len(name) <= 30, "must have at most 30 characters"),
    (
        lambda name: re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name),
        "must start with a letter, end with a letter or digit, and hold only a-z, 0-9 and '-'",
    ),
    (
        lambda name: "--" not in name,
        "must not contain '--', which separates deployment and workspace in host names",
    ),
)
"""The rules of CEL that both schemas have for names."""


def validate(documents: Iterable[Document]) -> str:
    """A line for each problem and each document without one; Invalid where there is a problem."""
    lines: list[str] = []
    found = checked = 0
    for document in documents:
        problems = list(_problems(document))
        title = _title(document.content)
        found += len(problems)
        checked += _is_ours(document.content)
        result = problems or ["ok" if _is_ours(document.content) else "not checked, of another kind"]
        lines += [f"{document.place}: {title}{plain(str(each))}\n" for each in result]
    if not found and not checked:
        raise CliError("there is no AgentDeployment and no Workspace to check in what -f names")
    if found:
        raise Invalid("".join(lines))
    return "".join(lines)


def _problems(document: Document) -> Iterator[object]:
    if document.fault is not None:
        yield document.fault
    elif not isinstance(document.content, Mapping):
        yield "must be a resource with apiVersion, kind, metadata and spec"
    elif _is_ours(document.content):
        yield from _problems_of(document.content)


def _problems_of(content: Mapping[str, Any]) -> Iterator[object]:
    kind, version = str(content.get("kind")), content.get("apiVersion")
    if kind not in schemas():
        hint = did_you_mean(kind, schemas()) or f"; there are {', '.join(schemas())}"
        yield Problem("kind", f"{kind!r} is no kind of {API_VERSION}{hint}")
        return
    if version != API_VERSION:
        yield Problem("apiVersion", f"is {version!r}; it must be {API_VERSION}")
    yield from _merged(kind, content)


def _merged(kind: str, content: Mapping[str, Any]) -> Iterator[object]:
    """The operator's words first; where they name a field, the schema's add nothing."""
    told = [problem.message for problem in find_problems(content)] if kind == "AgentDeployment" else []
    yield from told
    for problem in (*schema_problems(content, schemas()[kind]), *_name_problems(kind, content)):
        same = any(message.startswith(f"{problem.path}: ") for message in told)
        if not same or (problem.text.startswith("unknown field") and str(problem) not in told):
            yield problem


def _name_problems(kind: str, content: Mapping[str, Any]) -> Iterator[Problem]:
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if name is None:
        if kind == "Workspace":
            yield Problem("metadata", "name is missing; add it")
        return
    for holds, text in NAME_RULES:
        if not holds(str(name)):
            yield Problem("metadata.name", text)
    if kind == "Workspace" and (name in RESERVED or str(name).startswith("kube-")):
        yield Problem("metadata.name", f"is reserved ({', '.join(RESERVED)}, kube-*)")


def _is_ours(content: Any) -> bool:
    """Whether a document is meant for us: by its group, or by its kind where the group is misspelt."""
    if not isinstance(content, Mapping):
        return False
    return str(content.get("apiVersion", "")).startswith(GROUP) or str(content.get("kind")) in schemas()


def _title(content: Any) -> str:
    """Kind, namespace and name, as far as the document has them."""
    if not isinstance(content, Mapping) or "kind" not in content:
        return ""
    metadata = content.get("metadata")
    named = metadata if isinstance(metadata, Mapping) else {}
    name = "/".join(str(named[key]) for key in ("namespace", "name") if named.get(key) is not None)
    return plain(f"{content['kind']} {name}".strip()) + ": "
