"""Reconciles one AgentDeployment: what it needs, what it owns, how far it has come.

Called by the queue with a key. Its children go with it by garbage collection, so it has no finalizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agentos_operator import reasons
from agentos_operator.clients.kinds import (
    AGENT_DEPLOYMENT,
    CONFIG_MAP,
    DEPLOYMENT,
    HTTP_ROUTE,
    INGRESS,
    POD,
    WORKSPACE,
)
from agentos_operator.conditions import SUSPENDED, Aspect, build_conditions, is_ready, waiting
from agentos_operator.desired.address import address_of
from agentos_operator.desired.agent_deployment import DeploymentObjects, build_deployment_objects
from agentos_operator.errors import NotFound
from agentos_operator.naming import deployment_labels, pod_selector, workspace_of
from agentos_operator.reconcile.attempt import attempt
from agentos_operator.reconcile.children import Children
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.dependencies import Dependencies, find_dependencies
from agentos_operator.reconcile.pods import find_trouble
from agentos_operator.reconcile.rollout import (
    AVAILABLE,
    ROUTE_READY,
    available_aspect,
    is_rolled_out,
    route_aspect,
    stopped_aspect,
)
from agentos_operator.reconcile.status import write_status
from agentos_operator.resources.agent_deployment import AgentDeployment, parse_agent_deployment
from agentos_operator.resources.common import Object, is_controlled_by
from agentos_operator.workqueue import SETTLED, UNSETTLED, Again, Key


async def reconcile_agent_deployment(context: Context, key: Key) -> Again | None:
    """Bring one AgentDeployment to what its spec says; None when there is none or it is on its way out."""
    body = await context.kubernetes.find(AGENT_DEPLOYMENT, key.name, key.namespace)
    if body is None or "deletionTimestamp" in body["metadata"]:
        return None
    deployment = parse_agent_deployment(body)
    found = await find_dependencies(context, deployment)
    if isinstance(found, Aspect):
        aspects, fields = _not_begun(found), _kept_fields(body)
    else:
        aspects, fields = await _run(context, deployment, found)
    message = "The runtime answers at the address in status.url."
    conditions = build_conditions(aspects, message, deployment.meta.generation)
    if await write_status(context.kubernetes, body, conditions, fields, context.now()):
        _suspect_workspace(context, key, before=body.get("status", {}).get("conditions", ()), after=conditions)
    return SETTLED if is_ready(conditions) or _is_paused(conditions) else UNSETTLED


def _suspect_workspace(context: Context, key: Key, before: Sequence[Object], after: Sequence[Object]) -> None:
    """Pods that stop answering may miss their schema or a right, which no watch tells of; a suspended workspace
    counts those that have stopped: look at the workspace."""
    failing = is_ready(before) and not is_ready(after)
    stopped = _status_of(SUSPENDED, before) != _status_of(SUSPENDED, after)
    if (failing or stopped) and (workspace := workspace_of(key.namespace or "")):
        context.mark(Key(WORKSPACE.kind, None, workspace))


def _status_of(type_: str, conditions: Sequence[Object]) -> str | None:
    return next((each["status"] for each in conditions if each["type"] == type_), None)


def _is_paused(conditions: Sequence[Object]) -> bool:
    """Whether nothing but ``spec.replicas: 0`` keeps it from being ready."""
    return any(each["type"] == "Ready" and each["reason"] == reasons.SCALED_TO_ZERO for each in conditions)


def _not_begun(cause: Aspect) -> list[Aspect]:
    return [cause, waiting(AVAILABLE, cause.type), waiting(ROUTE_READY, cause.type)]


def _kept_fields(body: Object) -> Object:
    """What status said about pods that run on while something else is missing."""
    kept = ("url", "replicas", "readyReplicas", "selector", "image")
    return {key: value for key, value in body.get("status", {}).items() if key in kept}


async def _run(context: Context, deployment: AgentDeployment, found: Dependencies) -> tuple[list[Aspect], Object]:
    """Apply the children; what holds after that, and the fields of status."""
    children = Children(context.kubernetes, context.ledger, deployment.meta.uid)
    objects = build_deployment_objects(
        deployment, found.workspace, found.credentials, context.settings, suspended=found.suspended
    )
    aspect_type = SUSPENDED if found.suspended else AVAILABLE
    workload = await attempt(aspect_type, _apply_workload(context, children, deployment, objects, found.suspension))
    route = await attempt(ROUTE_READY, _apply_route(context, children, objects))
    if workload.holds:
        await _drop_old_config_maps(context, deployment, found.workspace, objects)
    live = await context.kubernetes.find(DEPLOYMENT, deployment.name, deployment.namespace)
    fields = _fields(context, deployment, found.workspace, live, route)
    if not found.suspended:
        return [found.aspect, workload, route], fields
    fields.pop("url", None)
    idle = Aspect(AVAILABLE, False, reasons.SUSPENDED, "Nobody answers, as asked for.")
    return [workload, *(replace(each, required=False) for each in (found.aspect, idle, route))], fields


async def _apply_workload(
    context: Context,
    children: Children,
    deployment: AgentDeployment,
    objects: DeploymentObjects,
    suspension: str | None,
) -> Aspect:
    await children.look(CONFIG_MAP, objects.config_map["metadata"]["name"], deployment.namespace)
    # Pods mount the ConfigMap, so it comes first; nothing that is wrong with it may keep pods from being stopped.
    first = (objects.config_map, objects.deployment)
    await children.apply_all(first if suspension is None else reversed(first))
    await children.apply_all((objects.service, objects.disruption_budget))
    live = await context.kubernetes.get(DEPLOYMENT, deployment.name, deployment.namespace)
    if suspension is None and is_rolled_out(live):
        return available_aspect(live, None)
    pods = await context.kubernetes.list(POD, deployment.namespace, pod_selector(deployment.name))
    return available_aspect(live, find_trouble(pods)) if suspension is None else stopped_aspect(live, pods, suspension)


async def _apply_route(context: Context, children: Children, objects: DeploymentObjects) -> Aspect:
    routing = context.settings.routing
    try:
        await children.apply(objects.route)
    except NotFound:
        return route_aspect(None, routing.mode)
    kind = HTTP_ROUTE if routing.mode == "Gateway" else INGRESS
    metadata = objects.route["metadata"]
    live = await context.kubernetes.get(kind, metadata["name"], metadata["namespace"])
    return route_aspect(live, routing.mode)


async def _drop_old_config_maps(
    context: Context, deployment: AgentDeployment, workspace: str, objects: DeploymentObjects
) -> None:
    """Remove earlier specs once no pod is left that was started with one."""
    current = objects.config_map["metadata"]["name"]
    labels = deployment_labels(deployment.name, workspace)
    for config_map in await context.kubernetes.list(CONFIG_MAP, deployment.namespace, labels):
        metadata = config_map["metadata"]
        if metadata["name"] != current and is_controlled_by(config_map, deployment.meta.uid):
            await context.kubernetes.delete(CONFIG_MAP, metadata["name"], deployment.namespace, metadata["uid"])


def _fields(
    context: Context, deployment: AgentDeployment, workspace: str, live: Object | None, route: Aspect
) -> Object:
    status = (live or {}).get("status", {})
    selector = pod_selector(deployment.name)
    fields: Object = {
        "replicas": status.get("replicas", 0),
        "readyReplicas": status.get("readyReplicas", 0),
        "selector": ",".join(f"{key}={value}" for key, value in selector.items()),
        "image": deployment.image or context.settings.runtime_image,
    }
    if route.holds:
        routing = context.settings.routing
        fields["url"] = address_of(deployment.name, workspace, routing).url(routing)
    return fields
