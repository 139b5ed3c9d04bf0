"""The only place of the CLI that talks to Kubernetes, in plain dicts, with errors a person understands.

Commands take a `Cluster`, so that tests give them a dictionary instead. The kubernetes package is imported when a
connection is made and not before: it takes most of a second, which `--help` need not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agentosctl.errors import CliError, Forbidden, NotFound, NotInstalled, Refused, Unauthorized, Unreachable

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Resource = dict[str, Any]

FIELD_MANAGER = "agentosctl"
"""Under which a change of a spec is noted in its object."""
PAGE = 500
TIMEOUT_SECONDS = (5, 30)
"""To connect, and to wait for an answer."""


@dataclass(frozen=True)
class Kind:
    """A kind of objects, as a URL and as RBAC name it."""

    singular: str
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    @property
    def resource(self) -> str:
        """The name that `kubectl auth can-i` takes."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None) -> str:
        """URL path of all objects of this kind, in one namespace or (None) in all."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"


WORKSPACE = Kind("Workspace", "workspaces", "agentos.hyvve.io", "v1alpha1", namespaced=False)
AGENT_DEPLOYMENT = Kind("AgentDeployment", "agentdeployments", "agentos.hyvve.io", "v1alpha1")
NAMESPACE = Kind("Namespace", "namespaces", namespaced=False)
SECRET = Kind("Secret", "secrets")
CONFIG_MAP = Kind("ConfigMap", "configmaps")
POD = Kind("Pod", "pods")
CONTROLLER_REVISION = Kind("ControllerRevision", "controllerrevisions", "apps")


class Cluster(Protocol):
    """What the commands need of a cluster."""

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Resource:
        """One object; NotFound when there is none."""

    def list(self, kind: Kind, namespace: str | None = None, labels: str = "") -> list[Resource]:
        """All objects with these labels, of one namespace or of all."""

    def annotate(self, kind: Kind, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of one object that has no namespace; NotFound when there is none."""

    def amend(self, kind: Kind, name: str, namespace: str, operations: Sequence[Resource]) -> None:
        """Change one object by JSON Patch (RFC 6902); Refused when a `test` in it does not hold."""


class KubernetesCluster:
    """A cluster by its API server."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def close(self) -> None:
        """End the connections; a command leaves that to the end of its process."""
        self._api.close()

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Resource:
        """One object."""
        return self._read("get", kind, f"{kind.path(namespace)}/{name}", name, namespace, {})

    def list(self, kind: Kind, namespace: str | None = None, labels: str = "") -> list[Resource]:
        """All objects, read page by page."""
        found: list[Resource] = []
        query = {"limit": str(PAGE)} | ({"labelSelector": labels} if labels else {})
        while True:
            page = self._read("list", kind, kind.path(namespace), "", namespace, query)
            found += page["items"]
            more = page["metadata"].get("continue")
            if not more:
                return found
            query["continue"] = more

    def annotate(self, kind: Kind, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations, as a merge patch (RFC 7386): nobody else's are touched."""
        body = {"metadata": {"annotations": dict(annotations)}}
        status, answer = self._request(f"{kind.path(None)}/{name}", {}, "PATCH", body)
        if status != 200:
            raise failure(status, answer, "patch", kind, name, None)

    def amend(self, kind: Kind, name: str, namespace: str, operations: Sequence[Resource]) -> None:
        """Change one object by JSON Patch."""
        query = {"fieldManager": FIELD_MANAGER}
        status, answer = self._request(f"{kind.path(namespace)}/{name}", query, "PATCH", operations)
        if status != 200:
            raise failure(status, answer, "patch", kind, name, namespace)

    def _read(
        self, verb: str, kind: Kind, path: str, name: str, namespace: str | None, query: dict[str, str]
    ) -> Resource:
        status, body = self._request(path, query)
        if status == 200:
            answer: Resource = json.loads(body)
            return answer
        raise failure(status, body, verb, kind, name, namespace)

    def _request(
        self, path: str, query: dict[str, str], method: str = "GET", body: Resource | Sequence[Resource] | None = None
    ) -> tuple[int, bytes]:
        import urllib3  # noqa: PLC0415 - see the module's docstring
        from kubernetes.client import ApiException  # noqa: PLC0415

        # A list can only be a list of operations.
        patch = "application/merge-patch+json" if isinstance(body, dict) else "application/json-patch+json"
        serialized = self._api.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": patch},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._api.call_api(*serialized, _request_timeout=TIMEOUT_SECONDS)
            return int(answer.status), bytes(answer.read())
        except (urllib3.exceptions.HTTPError, ApiException) as error:
            # The client wraps what happened; its innermost words are what a person can act on.
            reason = " ".join(str(getattr(error, "reason", None) or error).split())
            server = self._api.configuration.host
            raise Unreachable(f"the API server {server} cannot be reached: {reason}") from error


def failure(status: int, body: bytes, verb: str, kind: Kind, name: str, namespace: str | None) -> CliError:
    """The error that tells a person what an answer other than 200 means."""
    place = f" in the namespace {namespace}" if namespace else ""
    if status == 401:
        return Unauthorized("the API server does not accept the credentials of this kubeconfig: log in again")
    if status == 403:
        flag = f" -n {namespace}" if namespace else ""
        return Forbidden(
            f"you may not {verb} {kind.plural}{place}: an administrator can grant it "
            f"(check with `kubectl auth can-i {verb} {kind.resource}{flag}`)"
        )
    message = _message(body)
    if status == 404 and message is None:
        # The API server answers a kind that it does not know in plain text, an absent object with a Status.
        return NotInstalled(f"this cluster has no {kind.plural}: install the chart, or choose another --context")
    if status == 404:
        return NotFound(f"there is no {kind.singular} {name}{place}")
    return Refused(f"the API server answered {status} to {verb} {kind.plural}{place}: {message or 'no reason given'}")


def _message(body: bytes) -> str | None:
    """The reason in a Kubernetes Status object; None for any other body."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return str(answer.get("message", "")) if isinstance(answer, dict) and answer.get("kind") == "Status" else None


def connect(kubeconfig: str | None, context: str | None) -> KubernetesCluster:
    """The cluster that kubectl would talk to with the same flags."""
    from kubernetes import client, config  # noqa: PLC0415 - see the module's docstring

    settings = client.Configuration()
    settings.retries = 0  # a person is waiting
    try:
        api = config.new_client_from_config(
            config_file=kubeconfig, context=context, persist_config=False, client_configuration=settings
        )
    except (config.ConfigException, OSError) as error:
        raise Unreachable(
            f"no cluster is configured: {str(error).rstrip('.')}. Name a kubeconfig with --kubeconfig or KUBECONFIG, "
            "and a context with --context"
        ) from error
    return KubernetesCluster(api)
