"""What belongs to somebody else is never written, and an AgentDeployment trusts no name and no label."""

from __future__ import annotations

import copy
import dataclasses
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from agentos_operator import reasons
from agentos_operator.clients.kinds import Kind
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.conditions import Aspect, build_conditions, held
from agentos_operator.errors import ApiUnavailable, Conflict, Forbidden, Invalid, NotOwned
from agentos_operator.ledger import Ledger
from agentos_operator.reconcile.attempt import attempt
from agentos_operator.reconcile.children import Children
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.dependencies import Dependencies, find_dependencies
from agentos_operator.reconcile.status import write_status
from agentos_operator.resources.agent_deployment import AgentDeployment, parse_agent_deployment
from agentos_operator.settings import Settings

Object = dict[str, Any]
NOW = datetime(2026, 11, 23, tzinfo=UTC)
CASE = Path(__file__).parent / "golden" / "a-deployment-with-variables-and-model-keys-from-several-secrets"


class Cluster:
    """Objects by kind, namespace and name; an apply overwrites."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str | None, str], Object] = {}
        self.writes: list[Object] = []
        self._version = 0

    @property
    def client(self) -> Kubernetes:
        """Itself, as the code under test knows it."""
        return cast("Kubernetes", self)

    def put(self, kind: str, name: str, namespace: str | None, uid: str = "uid", **more: Any) -> Object:
        """Store an object as somebody else."""
        self._version += 1
        metadata = {"name": name, "uid": uid, "resourceVersion": str(self._version), **more.pop("metadata", {})}
        body = {"kind": kind, "metadata": metadata | ({"namespace": namespace} if namespace else {}), **more}
        self.objects[kind, namespace, name] = body
        return body

    async def find(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        return copy.deepcopy(self.objects.get((kind.kind, namespace, name)))

    async def apply(self, body: Object, subresource: str = "") -> Object:
        self.writes.append(body)
        rest = {key: value for key, value in body.items() if key not in ("kind", "metadata")}
        metadata = copy.deepcopy(body["metadata"])
        return self.put(body["kind"], metadata["name"], metadata.get("namespace"), metadata=metadata, **rest)

    async def amend(self, body: Object, operations: list[Object]) -> Object:
        metadata = body["metadata"]
        return self.objects[body["kind"], metadata.get("namespace"), metadata["name"]]

    async def create(self, body: Object) -> Object:
        if (body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]) in self.objects:
            raise Conflict("exists")
        return await self.apply(body)


@pytest.fixture
def cluster() -> Cluster:
    """An empty cluster."""
    return Cluster()


@pytest.fixture
def children(cluster: Cluster) -> Children:
    """What writes for the resource with the UID ``ours``."""
    return Children(cluster.client, Ledger(), "ours")


def owned_by(uid: str) -> list[Object]:
    """A controller reference."""
    return [{"kind": "AgentDeployment", "name": "support", "uid": uid, "controller": True}]


DESIRED: Object = {
    "kind": "Service",
    "metadata": {"name": "support", "namespace": "ws-acme", "ownerReferences": owned_by("ours")},
    "spec": {"type": "ClusterIP"},
}


async def test_what_is_missing_is_written_once_and_then_left_alone(cluster: Cluster, children: Children) -> None:
    assert await children.apply(DESIRED)
    assert not await children.apply(copy.deepcopy(DESIRED))
    assert cluster.writes == [DESIRED]


@pytest.mark.parametrize("owners", [[], owned_by("theirs"), [{"uid": "ours", "controller": False}]])
async def test_a_strangers_object_of_our_name_is_not_touched_whatever_its_labels_say(
    cluster: Cluster, children: Children, owners: list[Object]
) -> None:
    labels = {"app.kubernetes.io/managed-by": "agentos-operator", "agentos.hyvve.io/workspace": "acme"}
    cluster.put("Service", "support", "ws-acme", metadata={"labels": labels, "ownerReferences": owners})
    with pytest.raises(NotOwned, match="Service support exists and is not controlled by this resource"):
        await children.apply(DESIRED)
    assert cluster.writes == []


async def test_our_own_object_from_before_a_restart_is_written_again(cluster: Cluster, children: Children) -> None:
    cluster.put("Service", "support", "ws-acme", metadata={"ownerReferences": owned_by("ours")}, spec={"type": "?"})
    await children.apply(DESIRED)
    assert cluster.writes == [DESIRED]


@pytest.mark.parametrize(
    ("error", "holds", "reason", "stalled"),
    [
        (NotOwned("x is not ours"), False, reasons.NOT_OWNED, True),
        (Forbidden("x is forbidden"), False, reasons.FORBIDDEN, False),
        (Invalid("x is invalid"), False, reasons.REFUSED, True),
        (Conflict("x was written"), None, reasons.API_UNAVAILABLE, False),
        (ApiUnavailable("no answer about x"), None, reasons.API_UNAVAILABLE, False),
    ],
)
async def test_a_refusal_becomes_an_aspect_and_an_unread_state_is_unknown(
    error: Exception, holds: bool | None, reason: str, stalled: bool
) -> None:
    async def step() -> Aspect:
        raise error

    aspect = await attempt("Thing", step())
    assert (aspect.type, aspect.holds, aspect.reason, aspect.stalled) == ("Thing", holds, reason, stalled)
    assert str(error) in aspect.message


async def test_an_unexpected_error_is_not_hidden_as_an_aspect() -> None:
    async def step() -> Aspect:
        raise RuntimeError("planted-secret")

    with pytest.raises(RuntimeError):
        await attempt("Thing", step())


async def test_a_status_is_written_only_when_it_says_something_new(cluster: Cluster, context: Context) -> None:
    body: Object = {
        "apiVersion": "v",
        "kind": "Workspace",
        "metadata": {"name": "acme", "uid": "ours", "generation": 2, "labels": {"a": "b"}},
    }
    conditions = build_conditions([held("A", "a")], "ready", 2)
    assert await write_status(context, body, conditions, {"url": "u"})
    (written,) = cluster.writes
    assert written["metadata"] == {"name": "acme", "uid": "ours"}, "the uid, or a deleted resource would come back"
    assert written["status"]["observedGeneration"] == 2
    assert written["status"]["url"] == "u"
    body["status"] = written["status"]
    assert not await write_status(context, body, conditions, {"url": "u"})
    assert await write_status(context, body, conditions, {}), "a field that is gone goes"


# What an AgentDeployment depends on.


@pytest.fixture
def context(cluster: Cluster, settings: Settings) -> Context:
    """A cluster in which everything is there that the deployment of CASE needs."""
    spec, status = {"suspended": False, "preventDeletion": False, "auth": {}}, {"namespace": {"name": "ws-acme"}}
    cluster.put("Workspace", "acme", None, "workspace-uid", spec=spec, status=status)
    for name in ("agentos-database", "agentos-jwt"):
        secret(cluster, name, {"value": f"planted-{name}"}, metadata={"ownerReferences": owned_by("workspace-uid")})
    secret(cluster, "openai", {"api-key": "planted-1", "other-key": "planted-2"})
    secret(cluster, "anthropic", {"key.txt": "planted-3"})
    secret(cluster, "crm", {"token": "planted-4"})
    settings = settings.model_copy(update={"allowed_images": ("*",)})
    return Context(
        cluster.client,
        {},
        settings,
        Ledger(),
        lambda: NOW,
        lambda: 0.0,
        lambda _: None,
    )


def secret(cluster: Cluster, name: str, values: dict[str, str], **more: Any) -> None:
    """Store a Secret in the workspace's Namespace."""
    data = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    cluster.put("Secret", name, "ws-acme", uid=f"{name}-uid", data=data, **more)


@pytest.fixture
def deployment() -> AgentDeployment:
    """Needs three Secrets."""
    return parse_agent_deployment(yaml.safe_load((CASE / "input.yaml").read_text())["agentDeployment"])


async def missing(context: Context, deployment: AgentDeployment) -> Aspect:
    """What keeps the deployment from beginning."""
    found = await find_dependencies(context, deployment)
    assert isinstance(found, Aspect)
    assert found.holds is False
    assert "planted" not in found.message
    return found


async def present(context: Context, deployment: AgentDeployment) -> Dependencies:
    """What was found."""
    found = await find_dependencies(context, deployment)
    assert isinstance(found, Dependencies)
    return found


async def test_everything_is_there_and_no_id_of_credentials_holds_a_secret(
    context: Context, deployment: AgentDeployment
) -> None:
    found = await present(context, deployment)
    assert found.workspace == "acme"
    assert found.credentials.keys() == {"database-credentials", "jwt-credentials", "secrets"}
    assert "planted" not in str(found.credentials)


@pytest.mark.parametrize("namespace", ["default", "kube-system", "ws-unknown", "acme"])
async def test_outside_a_workspaces_namespace_it_says_where_to_go(
    context: Context, cluster: Cluster, deployment: AgentDeployment, namespace: str
) -> None:
    aspect = await missing(context, dataclasses.replace(deployment, namespace=namespace))
    assert (aspect.reason, aspect.stalled) == (reasons.NOT_IN_WORKSPACE, True)
    assert "ws-<workspace>" in aspect.message


async def test_a_namespace_that_its_workspace_has_not_taken_over_gets_no_credentials(
    context: Context, cluster: Cluster, deployment: AgentDeployment
) -> None:
    cluster.put("Workspace", "acme", None, "workspace-uid")
    assert (await missing(context, deployment)).reason == reasons.WORKSPACE_NOT_READY


async def test_a_workspace_on_its_way_out_starts_nothing(
    context: Context, cluster: Cluster, deployment: AgentDeployment
) -> None:
    metadata = {"deletionTimestamp": "2026-11-23T12:00:00Z"}
    status = {"namespace": {"name": "ws-acme"}}
    cluster.put("Workspace", "acme", None, metadata=metadata, spec={"preventDeletion": False}, status=status)
    assert (await missing(context, deployment)).reason == reasons.WORKSPACE_DELETING


@pytest.mark.parametrize("name", ["agentos-database", "agentos-jwt"])
async def test_a_tenants_own_secret_of_the_operators_name_is_not_used(
    context: Context, cluster: Cluster, deployment: AgentDeployment, name: str
) -> None:
    secret(cluster, name, {"url": "postgresql://thief"}, metadata={"labels": {"agentos.hyvve.io/workspace": "acme"}})
    assert (await missing(context, deployment)).reason == reasons.WORKSPACE_NOT_READY


async def test_a_missing_secret_is_named_with_its_key(
    context: Context, cluster: Cluster, deployment: AgentDeployment
) -> None:
    del cluster.objects["Secret", "ws-acme", "crm"]
    aspect = await missing(context, deployment)
    assert aspect.reason == reasons.SECRET_MISSING
    assert "crm" in aspect.message
    assert "token" in aspect.message


@pytest.mark.parametrize("values", [{}, {"token": ""}, {"Token": "planted"}])
async def test_a_missing_or_empty_key_is_named(
    context: Context, cluster: Cluster, deployment: AgentDeployment, values: dict[str, str]
) -> None:
    secret(cluster, "crm", values)
    aspect = await missing(context, deployment)
    assert aspect.reason == reasons.SECRET_KEY_MISSING
    assert "crm" in aspect.message
    assert "token" in aspect.message


@pytest.mark.parametrize(
    ("name", "key", "credential"),
    [
        ("agentos-database", "url", "database-credentials"),
        ("agentos-database", "schema", "database-credentials"),
        ("agentos-jwt", "verification-secrets", "jwt-credentials"),
        ("agentos-jwt", "max-lifetime-seconds", "jwt-credentials"),
        ("openai", "api-key", "secrets"),
        ("crm", "token", "secrets"),
    ],
)
async def test_a_changed_secret_changes_the_id_that_its_pods_carry_and_no_other(
    context: Context, cluster: Cluster, deployment: AgentDeployment, name: str, key: str, credential: str
) -> None:
    before = (await present(context, deployment)).credentials
    live = cluster.objects["Secret", "ws-acme", name]
    live["data"][key] = b64encode(b"planted-new").decode()
    live["metadata"]["resourceVersion"] = "999"
    after = (await present(context, deployment)).credentials
    assert {each for each in before if before[each] != after[each]} == {credential}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("agentos-database", "next-password"),
        ("agentos-database", "previous-password"),
        ("agentos-jwt", "secret"),
    ],
)
async def test_what_pods_do_not_use_restarts_none(
    context: Context, cluster: Cluster, deployment: AgentDeployment, name: str, key: str
) -> None:
    before = (await present(context, deployment)).credentials
    cluster.objects["Secret", "ws-acme", name]["data"][key] = b64encode(b"planted-new").decode()
    assert (await present(context, deployment)).credentials == before
