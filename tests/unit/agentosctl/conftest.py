"""A cluster in a dictionary, for commands that read one."""

from __future__ import annotations

import base64
import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from agentosctl.cli import main
from agentosctl.cluster import Kind, Resource, failure

SECRET_TEXT = "x" * 43


class FakeCluster:
    """What `agentosctl.cluster.Cluster` promises, with the API server's own words for what is missing or denied."""

    def __init__(self) -> None:
        self.objects: dict[tuple[Kind, str, str], Resource] = {}
        self.denied: set[tuple[str, str]] = set()
        """(verb, plural) pairs that the caller may not do."""
        self.read: list[tuple[str, str]] = []

    def add(self, kind: Kind, name: str, namespace: str = "", **content: Any) -> None:
        """Put an object there."""
        metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **content.pop("metadata", {})}
        self.objects[kind, namespace, name] = {"metadata": metadata, **content}

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Resource:
        """One object."""
        self._check("get", kind, name, namespace)
        try:
            return self.objects[kind, namespace or "", name]
        except KeyError:
            raise failure(404, b'{"kind":"Status"}', "get", kind, name, namespace) from None

    def list(self, kind: Kind, namespace: str | None = None, labels: str = "") -> list[Resource]:
        """All objects that carry the labels."""
        self._check("list", kind, "", namespace)
        wanted = dict(part.split("=") for part in labels.split(",") if part)
        return [
            item
            for (of, place, _), item in self.objects.items()
            if of == kind
            and namespace in (None, place)
            and wanted.items() <= item["metadata"].get("labels", {}).items()
        ]

    def annotate(self, kind: Kind, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations."""
        self._check("patch", kind, name, None)
        self.get(kind, name)["metadata"].setdefault("annotations", {}).update(annotations)

    def amend(self, kind: Kind, name: str, namespace: str, operations: Sequence[Resource]) -> None:
        """Change whole fields, if every `test` holds."""
        self._check("patch", kind, name, namespace)
        body = copy.deepcopy(self.get(kind, name, namespace))
        for each in operations:
            *path, last = each["path"].strip("/").split("/")
            place = functools.reduce(lambda inner, part: inner[part], path, body)
            if each["op"] == "test" and place[last] != each["value"]:
                raise failure(422, b'{"kind":"Status","message":"test failed"}', "patch", kind, name, namespace)
            if each["op"] == "add":
                place[last] = each["value"]
            if each["op"] == "remove":
                del place[last]
        body["metadata"]["generation"] += 1
        self.objects[kind, namespace, name] = body

    def _check(self, verb: str, kind: Kind, name: str, namespace: str | None) -> None:
        self.read.append((verb, kind.plural))
        if (verb, kind.plural) in self.denied:
            raise failure(403, b'{"kind":"Status"}', verb, kind, name, namespace)


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    """A condition as the operator writes it."""
    return {"type": kind, "status": status, "reason": reason, "message": message}


def encoded(**values: str) -> dict[str, str]:
    """A Secret's data."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def run(cluster: FakeCluster) -> Callable[..., int]:
    """Run the command line against the fake cluster."""
    return lambda *arguments: main(arguments, connect=lambda *_: cluster)
