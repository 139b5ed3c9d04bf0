"""What the cluster tests say to their cluster and to the runtimes in it."""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml

from agentos_operator.clients.kinds import ENDPOINT_SLICE, KINDS, Kind
from agentosctl import token
from agentosctl.cluster import connect
from local import demo, toolchain
from local.api import Api

T = TypeVar("T")
DATABASE = "statefulset/agentos-postgres"
_GATEWAY = Kind("gateway.networking.k8s.io/v1", "Gateway", "gateways")
_KINDS = {
    word: kind for kind in (*KINDS.values(), ENDPOINT_SLICE, _GATEWAY) for word in (kind.kind.lower(), kind.plural)
}
"""By the words that kubectl takes for them."""


def eventually(look: Callable[[], T], timeout: float = 60) -> T:
    """The first truthy result of ``look``; fails with the last result when none comes in ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not (result := look()):
        assert time.monotonic() < deadline, f"still {result!r} after {timeout} seconds"
        time.sleep(0.1)
    return result


@dataclass(frozen=True)
class Tenancy:
    """The cluster under test, with the chart installed."""

    kubeconfig: Path
    port: int
    quick_start: str
    """What ``make up`` would have printed."""
    api: Api
    """The cluster's administrator. What is waited for is asked for here: each start of kubectl takes 0.1 s of CPU."""

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl as the cluster's administrator; its output."""
        binary = toolchain.ensure(["kubectl"])["kubectl"]
        done = subprocess.run(
            [binary, "--kubeconfig", self.kubeconfig, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """One object."""
        path = _KINDS[kind].path(name, namespace)
        found = self.api.get(path)
        assert found is not None, f"{path} is not there"
        return found

    def list(self, kind: str, namespace: str) -> Sequence[dict[str, Any]]:
        """All objects of a kind; a list of the API does not say it with each of them."""
        found = _KINDS[kind]
        return [{"kind": found.kind, **item} for item in self.api.items(found.path(None, namespace))]

    def apply(self, *documents: Mapping[str, Any]) -> None:
        """Apply what a user would have written."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))

    def condition(self, kind: str, name: str, namespace: str | None = None, type_: str = "Ready") -> dict[str, Any]:
        """A condition of the current generation; empty while the operator has not seen it."""
        found = self.get(kind, name, namespace)
        generation = found["metadata"]["generation"]
        for condition in found.get("status", {}).get("conditions", ()):
            if condition["type"] == type_ and condition["observedGeneration"] == generation:
                return dict(condition)
        return {}

    def wait(self, kind: str, name: str, namespace: str | None = None, reason: str = "Ready") -> dict[str, Any]:
        """The Ready condition, once it has ``reason``."""
        last: dict[str, Any] = {}

        def look() -> bool:
            last.clear()
            last.update(self.condition(kind, name, namespace))
            return last.get("reason") == reason

        try:
            eventually(look, 120)
        except AssertionError:
            pytest.fail(f"{kind} {name} is not {reason} but {last}")
        return last

    def token(self, workspace: str, *scopes: str, user: str = "alice") -> str:
        """A token as ``agentosctl token`` signs it."""
        cluster = connect(str(self.kubeconfig), None)
        try:
            wish = token.Wish(workspace, user, scopes or ("agents:run",), timedelta(minutes=30))
            return token.mint(cluster, wish, int(time.time()))
        finally:
            cluster.close()

    def psql(self, query: str) -> str:
        """What PostgreSQL's superuser, inside the pod, gets for ``query``; unaligned, without headings."""
        where = ("-n", demo.NAMESPACE, DATABASE, "-c", "postgres", "--")
        command = ("psql", "-U", "postgres", "-d", "agentos", "-At", "-v", "ON_ERROR_STOP=1", "-c", query)
        return self.kubectl("exec", *where, *command)

    def secret_value(self, name: str, namespace: str, key: str) -> str:
        """One value of a Secret."""
        return base64.b64decode(self.get("secret", name, namespace)["data"][key]).decode()

    def client(self, deployment: str, workspace: str, bearer: str | None = None) -> httpx.Client:
        """HTTP to a deployment through the gateway, as a browser on this machine would.

        It verifies nobody, being plain: httpx would read all public authorities, most of what a request costs.
        """
        headers = {"Host": f"{deployment}--{workspace}.{demo.BASE_DOMAIN}:{self.port}"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=60, verify=False)


def ask(client: httpx.Client, message: str, **form: str) -> httpx.Response:
    """One run of the agent ``support``."""
    data = {"message": message, "stream": "false", **form}
    return client.post("/agents/support/runs", data=data)


def workspace(name: str, **spec: Any) -> dict[str, Any]:
    """A Workspace that may call the scripted model."""
    egress = [{"namespace": "agentos-demo", "ports": [{"port": 8080}]}]
    return {
        "apiVersion": "agentos.hyvve.io/v1alpha1",
        "kind": "Workspace",
        "metadata": {"name": name},
        "spec": {"displayName": name.title(), "network": {"egress": egress}, **spec},
    }


def agent_deployment(workspace_name: str, name: str = "support", **spec: Any) -> dict[str, Any]:
    """An AgentDeployment with one agent ``support`` on the scripted model."""
    model = {"id": "openai-chat:gpt-4o-mini", "baseURL": "http://fake-model.agentos-demo.svc.cluster.local/v1"}
    agent = {
        "id": "support",
        "model": {**model, "apiKeySecretRef": {"name": "openai", "key": "api-key"}},
        "tools": [{"toolkit": "calculator", "requiresConfirmation": ["divide"]}],
    }
    return {
        "apiVersion": "agentos.hyvve.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": name, "namespace": f"ws-{workspace_name}"},
        "spec": {"agents": [agent], **spec},
    }


def model_key(workspace_name: str) -> dict[str, Any]:
    """The Secret that the agent's model names."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "openai", "namespace": f"ws-{workspace_name}"},
        "stringData": {"api-key": "not-a-real-key"},
    }
