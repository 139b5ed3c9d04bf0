"""What stands around the operator while faults happen: pods, gateways and time are played, a bystander looks on."""

from __future__ import annotations

import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg

from agentos_operator.database_names import DatabaseNames
from tests.faults.calls import workspace_in
from tests.integration.apiserver import Object, RefusedError
from tests.integration.operator.rotating import age, end_pod, nudge, start_pod
from tests.integration.operator.stage import Stage, answered_generation

ROUND_SECONDS = 0.25


class Backstage:
    """Answers for every Deployment and route of these tests as a cluster with nodes and a gateway does."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Answer for the length of a block."""
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()

    def _play(self) -> None:
        while not self._ended.wait(ROUND_SECONDS):
            # What goes while it is answered for needs no answer, and an API server that is away none now.
            with suppress(RefusedError):
                self._round()

    def _round(self) -> None:
        for deployment in self._stage.api.items("Deployment"):
            observed = deployment.get("status", {}).get("observedGeneration")
            if _is_played(deployment) and observed != deployment["metadata"]["generation"]:
                self._roll_out(deployment)
        for route in self._stage.api.items("HTTPRoute"):
            if _is_played(route) and answered_generation(route) != route["metadata"]["generation"]:
                with suppress(RefusedError, AssertionError):
                    self._stage.accept_route(route["metadata"]["namespace"], route["metadata"]["name"])

    def _roll_out(self, deployment: Object) -> None:
        metadata, pods = deployment["metadata"], deployment["spec"]["replicas"]
        status = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), pods)
        status["observedGeneration"] = metadata["generation"]
        with suppress(RefusedError):
            self._stage.api.patch("Deployment", metadata["name"], {"status": status}, metadata["namespace"], "status")


def _is_played(body: Object) -> bool:
    return workspace_in(body["metadata"]["namespace"]) is not None and "deletionTimestamp" not in body["metadata"]


class Pods:
    """Pods and time of one workspace: what a rotation waits for happens as soon as it may."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage, self.name, self.place = stage, name, f"ws-{name}"
        self._numbers = itertools.count()
        self._pods: dict[str, str] = {}
        """By pod, the annotations that it was started with."""

    def play(self) -> None:
        """One pod of the newest revision, the others gone; the wait for old tokens over."""
        template = self.stage.child("Deployment", self.place, "support")["spec"]["template"]["metadata"]
        wanted = json.dumps(template["annotations"], sort_keys=True)
        if wanted not in self._pods.values():
            pod = f"pod-{next(self._numbers)}"
            start_pod(self.stage, self.place, pod)
            for old in [*self._pods]:
                end_pod(self.stage, self.place, old)
                del self._pods[old]
            self._pods[pod] = wanted
            nudge(self.stage, self.name)
        annotations = self.stage.child("Secret", self.place, "agentos-jwt")["metadata"]["annotations"]
        yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        if annotations["agentos.hyvve.io/signer-switched-at"] > yesterday:
            age(self.stage, self.place, "agentos-jwt", "signer-switched-at", timedelta(days=2))


@dataclass
class World:
    """One stage, and what the tests remember about the workspaces on it."""

    stage: Stage
    identities: dict[str, list[DatabaseNames]] = field(default_factory=lambda: defaultdict(list))
    """By workspace, what each life of that name has been called in PostgreSQL."""
    uids: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _schemas: dict[str, str] = field(default_factory=dict)
    pods: dict[str, Pods] = field(default_factory=dict)
    sessions: dict[str, psycopg.Connection] = field(default_factory=dict)
    """By workspace, a session of its runtime that nobody has closed."""

    def create(self, name: str, **spec: object) -> None:
        """Apply a new Workspace, and remember who it is."""
        self.know(self.stage.apply_workspace(name, **spec))

    def know(self, body: Object) -> None:
        """Remember who a new Workspace is."""
        name = body["metadata"]["name"]
        self.identities[name].append(self.stage.names(body))
        self._schemas[self.stage.names(body).schema] = name
        self.uids[name].append(body["metadata"]["uid"])

    def owner_of(self, schema: str) -> str | None:
        """The workspace that has, or had, this schema."""
        return self._schemas.get(schema)

    def open_session(self, name: str) -> None:
        """A runtime with data, connected as runtimes are."""
        session = self.stage.log_in(f"ws-{name}")
        session.execute("CREATE TABLE IF NOT EXISTS notes AS SELECT 'keep me' AS text")
        self.sessions[name] = session

    def discard(self, name: str) -> None:
        """Let go of a workspace that was looked at."""
        if (session := self.sessions.pop(name, None)) is not None:
            session.close()
        with suppress(RefusedError):
            self.stage.api.patch("Workspace", name, {"metadata": {"finalizers": None}})
        self.stage.api.delete("Workspace", name)
        for pod in self.stage.api.items("Pod", f"ws-{name}"):
            end_pod(self.stage, f"ws-{name}", pod["metadata"]["name"])
