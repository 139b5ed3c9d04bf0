"""What a probe tries: what the operator finds in the cluster, without what the workspace was granted.

A target that nobody is known to listen at is tried too, but a failure there is not counted as isolation.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address, ip_network

from agentos_operator.clients.kinds import DEPLOYMENT, ENDPOINT_SLICE, NAMESPACE, POD, SERVICE, WORKSPACE
from agentos_operator.clients.postgres.workspace import EXTENSIONS_SCHEMA
from agentos_operator.clients.reach import is_open, resolve
from agentos_operator.database_names import database_names, tenants_role
from agentos_operator.desired.service import SERVICE_PORT
from agentos_operator.errors import ApiError
from agentos_operator.naming import (
    APPLICATION_ANNOTATION,
    METRICS_PORT,
    NAME_LABEL,
    RUNTIME_NAME,
    RUNTIME_PORT,
    workspace_of,
)
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.isolation.report import VERSION
from agentos_operator.reconcile.pods import is_answering
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace
from agentos_operator.settings import DatabaseServer

METADATA_ADDRESSES = ("169.254.169.254", "fd00:ec2::254")
"""Where clouds hand out the credentials of the node."""
_NEIGHBOURS = 3
"""Other workspaces of one run; the next run draws others."""
_RUNTIMES = 2


@dataclass(frozen=True)
class Endpoint:
    """An address; ``up`` when somebody is known to listen there."""

    name: str
    host: str
    port: int
    up: bool


async def gather_targets(context: Context, workspace: Workspace, server: DatabaseServer) -> str:
    """The targets as the JSON that the probe reads."""
    # The probe makes its tokens, good and bad, from the generated secret.
    runtimes = await _own_runtimes(context, workspace) if workspace.access.generated else []
    neighbours = _draw_neighbours(context, workspace)
    endpoints = [*await _of_the_cluster(context, workspace), *await _of_neighbours(context, workspace, neighbours)]
    names = database_names(workspace.name, workspace.meta.uid)
    database = names.database if workspace.database.isolation == "Database" else server.database
    document = {
        "version": VERSION,
        "endpoints": [asdict(each) for each in endpoints if not _is_granted(workspace, each.host)],
        "neighbours": await _databases(context, neighbours, server.name),
        "ownerRole": names.owner,
        "ownRoles": [*names.logins, names.owner, tenants_role(database)],
        "sharedSchemas": [EXTENSIONS_SCHEMA],
        "runtimes": [str(pod["status"]["podIP"]) for pod in runtimes[:_RUNTIMES]],
        "port": RUNTIME_PORT,
    }
    return json.dumps(document, separators=(",", ":"))


async def _own_runtimes(context: Context, workspace: Workspace) -> list[Object]:
    """Those that tokens are tried at; an application of the tenant's own has other routes, and checks of its own."""
    pods = await ready_pods(context, workspace.namespace)
    return [pod for pod in pods if APPLICATION_ANNOTATION not in pod["metadata"].get("annotations", {})]


async def ready_pods(context: Context, namespace: str) -> list[Object]:
    """Runtimes in ``namespace`` that answer; none where the operator may not look."""
    try:
        pods = await context.kubernetes.list(POD, namespace, {NAME_LABEL: RUNTIME_NAME})
    except ApiError:
        return []
    return [pod for pod in pods if is_answering(pod)]


def _draw_neighbours(context: Context, workspace: Workspace) -> list[str]:
    """Namespaces of other workspaces, those with runtimes first."""
    serving = {reference.namespace for reference in context.ledger.references(DEPLOYMENT.kind)}
    others = [each.name for each in context.ledger.references(NAMESPACE.kind) if each.name != workspace.namespace]
    random.shuffle(others)
    return sorted(others, key=lambda name: name not in serving)[:_NEIGHBOURS]


async def _of_neighbours(context: Context, workspace: Workspace, namespaces: Sequence[str]) -> list[Endpoint]:
    """Their runtimes and Services. No name of a tenant: the pod that gets them is another's."""
    granted = {rule.namespace for rule in workspace.egress}
    found = []
    for namespace in namespaces:
        if namespace in granted:
            continue
        for pod in (await ready_pods(context, namespace))[:1]:
            address, name = pod["status"]["podIP"], pod["metadata"]["labels"].get("app.kubernetes.io/instance", "")
            found.append(Endpoint("a runtime of another workspace", address, RUNTIME_PORT, up=True))
            found.append(Endpoint("the metrics of another workspace", address, METRICS_PORT, up=True))
            found += await _service(context, name, namespace)
    return found


async def _service(context: Context, name: str, namespace: str) -> list[Endpoint]:
    """The Service before a runtime that answers, so it does as well."""
    try:
        service = await context.kubernetes.find(SERVICE, name, namespace) if name else None
    except ApiError:
        return []
    address = (service or {}).get("spec", {}).get("clusterIP", "None")
    return [] if address == "None" else [Endpoint("a Service of another workspace", address, SERVICE_PORT, up=True)]


async def _of_the_cluster(context: Context, workspace: Workspace) -> list[Endpoint]:
    place, settings = context.isolation.place, context.settings.isolation.verification
    wanted = [(f"the metadata address {address}", address, 80) for address in METADATA_ADDRESSES]
    wanted += await _api_servers(context, workspace)
    granted = {rule.namespace for rule in workspace.egress if rule.namespace}
    for target in settings.targets:
        if _namespace_of_service(target.host) not in granted and (address := await resolve(target.host)):
            wanted.append((target.name, address, target.port))
    open_ = await asyncio.gather(*(is_open(host, port) for _, host, port in wanted))
    found = [Endpoint(*each, up=up) for each, up in zip(wanted, open_, strict=True)]
    own = [Endpoint("the operator", place.host, place.port, up=True)] if place.host else []
    return own + found


async def _api_servers(context: Context, workspace: Workspace) -> list[tuple[str, str, int]]:
    """Its Service and its own addresses; none when it is public or was granted, because the Service leads there."""
    place = context.isolation.place
    try:
        live = await context.kubernetes.find(ENDPOINT_SLICE, "kubernetes", "default")
    except ApiError:
        live = None
    slices = [(str(host), _port(live)) for each in (live or {}).get("endpoints", ()) for host in each["addresses"]]
    if any(ip_address(host).is_global or _is_granted(workspace, host) for host, _ in slices):
        return []
    service = [("the API server", place.api_host, place.api_port)] if place.api_host else []
    return service + [("the API server's own address", host, port) for host, port in slices]


def _port(endpoint_slice: Object | None) -> int:
    return int(next((port["port"] for port in (endpoint_slice or {}).get("ports") or ()), 443))


def _namespace_of_service(host: str) -> str | None:
    """``<name>.<namespace>.svc`` and longer; None for other names and for addresses."""
    parts = host.split(".")
    return parts[1] if len(parts) > 2 and parts[2] == "svc" else None


def _is_granted(workspace: Workspace, host: str) -> bool:
    """Whether ``spec.network.egress`` opens the address, on whatever port."""
    ranges: Iterable[str] = (rule.cidr for rule in workspace.egress if rule.cidr)
    return any(ip_address(host) in ip_network(each, strict=False) for each in ranges)


async def _databases(context: Context, namespaces: Sequence[str], server: str) -> list[Object]:
    """What the drawn workspaces have on the same server."""
    found = []
    for namespace in namespaces:
        body = await context.kubernetes.find(WORKSPACE, workspace_of(namespace) or namespace)
        database = (body or {}).get("status", {}).get("database", {})
        if database.get("server") == server:
            found.append({key: database[key] for key in ("schema", "owner", "login")})
    return found
