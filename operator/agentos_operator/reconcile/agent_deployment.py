"""Reconciles one AgentDeployment: what it needs, what it owns, how far it has come.

Called by the queue with a key. Its children go with it by garbage collection, so it has no finalizer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agentos_operator import reasons
from agentos_operator.clients.kinds import (
    AGENT_DEPLOYMENT,
    CONFIG_MAP,
    DEPLOYMENT,
    POD,
    WORKSPACE,
    Kind,
)
from agentos_operator.conditions import SUSPENDED, Aspect, build_conditions, is_at_rest, is_ready, waiting
from agentos_operator.desired.access import deployment_with_access
from agentos_operator.desired.agent_deployment import Circumstances, DeploymentObjects, build_deployment_objects
from agentos_operator.desired.database_ca import deployment_with_database_ca
from agentos_operator.naming import agent_os_id, deployment_labels, pod_selector, workspace_of
from agentos_operator.reconcile.attempt import attempt
from agentos_operator.reconcile.autoscaling import Scaled, Scaling, find_scaled, let_go_of_replicas
from agentos_operator.reconcile.children import Children
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.dependencies import Dependencies, find_dependencies
from agentos_operator.reconcile.deployment_route import apply_route, is_settled, withdraw_route
from agentos_operator.reconcile.inquiry.aspect import tell_answers, tools_wait
from agentos_operator.reconcile.main_api import ensure_api_ingress, remove_api_ingress
from agentos_operator.reconcile.own_host import find_own_host, has_lost_host
from agentos_operator.reconcile.pods import find_trouble, image_digests
from agentos_operator.reconcile.replicas import coordination_aspects
from agentos_operator.reconcile.revisions import keep_history
from agentos_operator.reconcile.rollout import (
    AVAILABLE,
    ROUTE_READY,
    available_aspect,
    is_rolled_out,
    stopped_aspect,
)
from agentos_operator.reconcile.spec_check import spec_aspect
from agentos_operator.reconcile.status import write_status
from agentos_operator.resources.agent_deployment import AgentDeployment, parse_agent_deployment
from agentos_operator.resources.common import Object, Owner, is_controlled_by
from agentos_operator.workqueue import SETTLED, UNSETTLED, Again, Glance, Key

_CONFIG_MAPS = "config maps of earlier specs"


async def reconcile_agent_deployment(context: Context, key: Key) -> Again | None:
    """Bring one AgentDeployment to what its spec says; None when there is none or it is on its way out."""
    body = await context.kubernetes.find(AGENT_DEPLOYMENT, key.name, key.namespace)
    if body is None:
        context.inquiry.forget(key)
        await remove_api_ingress(context, key)
        return None
    if "deletionTimestamp" in body["metadata"]:
        return None
    deployment = parse_agent_deployment(body)
    valid, found = spec_aspect(body), await find_dependencies(context, deployment)
    if isinstance(found, Aspect) or not (valid.holds or found.suspended):
        aspects, fields = _not_begun(deployment, valid, found), await _kept_fields(context, body, deployment)
    else:
        aspects, fields = await _run(context, body, deployment, found)
        aspects.insert(0, replace(valid, required=not found.suspended))
    message = "The runtime answers at the address in status.url."
    conditions = build_conditions(aspects, message, deployment.meta.generation)
    try:
        await write_status(context, body, conditions, fields)
    finally:
        # It may be written without an answer, and then the next attempt sees no difference.
        _suspect_workspace(context, key, before=body.get("status", {}).get("conditions", ()), after=conditions)
    if "host" not in fields:
        context.hosts.let_go(deployment.meta.uid)  # only now: what status names is still held
    if isinstance(found, Dependencies) and is_at_rest(conditions) and not found.suspended:
        return Again(settled=True, glance=_glance(context, key, deployment, found.inputs))
    return SETTLED if is_ready(conditions) or _is_paused(conditions) else UNSETTLED


def _glance(
    context: Context, key: Key, deployment: AgentDeployment, inputs: Mapping[tuple[Kind, str], str | None]
) -> Glance:
    """A look at what no watch tells of.

    The workspace's own Secrets are looked at with the Workspace. A ConfigMap of the deployment's own cannot be edited;
    one that is gone is missed when a pod cannot start without it, and of that an event tells.
    """
    namespace, is_asked = deployment.namespace, deployment.is_asked

    async def is_still() -> bool:
        if is_asked:
            context.inquiry.request(key)
        reads = (context.kubernetes.version(kind, name, namespace) for kind, name in inputs)
        return await asyncio.gather(*reads) == list(inputs.values())

    return is_still


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


def _not_begun(deployment: AgentDeployment, valid: Aspect, found: Aspect | Dependencies) -> list[Aspect]:
    """What keeps the spec from being applied; what an earlier one has led to goes on untouched."""
    needed = found if isinstance(found, Aspect) else found.aspect
    cause = (needed if valid.holds else valid).type
    return [valid, needed, waiting(AVAILABLE, cause), waiting(ROUTE_READY, cause), *tools_wait(deployment, cause)]


async def _kept_fields(context: Context, body: Object, deployment: AgentDeployment) -> Object:
    """What status said about pods that run on while something else is missing, but for a host that was lost."""
    kept = {"url", "host", "controlPlane", "replicas", "readyReplicas", "selector", "image", "imageDigests", "revision"}
    kept |= {"runtimeVersion", "agnoVersion"}
    if await has_lost_host(context, body, deployment):
        children = Children(context.kubernetes, context.ledger, deployment.meta.uid)
        await _withdraw(context, children, deployment, "")
        kept -= {"url", "host", "controlPlane"}
    if not await _somebody_answers(context, body, deployment):
        kept -= {"url", "controlPlane"}
    return {key: value for key, value in body.get("status", {}).items() if key in kept}


async def _somebody_answers(context: Context, body: Object, deployment: AgentDeployment) -> bool:
    """Whether the address in status is still true; asked only where there is one."""
    if "url" not in body.get("status", {}):
        return False
    live = await context.kubernetes.find(DEPLOYMENT, deployment.name, deployment.namespace)
    return bool((live or {}).get("status", {}).get("readyReplicas"))


async def _run(
    context: Context, body: Object, deployment: AgentDeployment, found: Dependencies
) -> tuple[list[Aspect], Object]:
    """Apply the children; what holds after that, and the fields of status."""
    children = Children(context.kubernetes, context.ledger, deployment.meta.uid)
    own = await find_own_host(context, body, deployment, found.body)
    scaled = None if found.suspended else await find_scaled(context, body, deployment)
    runtime_class = found.body["spec"].get("runtimeClassName")
    given = Circumstances(found.suspended, scaled is not None, own.host, runtime_class)
    objects = build_deployment_objects(deployment, found.workspace, found.credentials, context.settings, given)
    objects = deployment_with_access(objects, found.access_variables)
    server = context.settings.server(found.body["spec"]["database"]["server"])
    if server and server.ca_file:
        objects = deployment_with_database_ca(objects)
    alone = context.looks.recall(deployment.meta.uid, _CONFIG_MAPS, objects.config_map["metadata"]["name"])
    aspect_type = SUSPENDED if found.suspended else AVAILABLE
    step = _apply_workload(context, children, deployment, objects, found.suspension, scaled)
    workload = await attempt(aspect_type, step)
    route = await attempt(ROUTE_READY, _route(context, children, deployment, found, objects))
    if (workload.holds or workload.reason == reasons.SCALED_TO_ZERO) and not alone:
        await _drop_old_config_maps(context, deployment, found.workspace, objects)
    live = await children.known_state(objects.deployment)
    scaling = await Scaling(context, children, deployment, objects.autoscaler).aspects(live, found.body)
    history, revision = await keep_history(context, children, deployment, found.workspace)
    fields = {**_fields(context, deployment, live), **revision, **await _version(context, deployment)}
    if host := own.host or (None if is_settled(context, objects.route, route) else own.leaving):
        fields["host"] = host
    if route.holds and fields["readyReplicas"]:
        fields["url"] = objects.address.url(context.settings.routing)
        if found.access.control_plane:
            fields["controlPlane"] = {"endpoint": fields["url"], "id": agent_os_id(deployment.name, found.workspace)}
    last = [route, *([own.aspect] if own.aspect else []), *coordination_aspects(deployment), *scaling, *history]
    if not found.suspended:
        answers, versions = tell_answers(context, body, deployment, fields["readyReplicas"])
        return [found.aspect, workload, *last, *answers], {**fields, **versions}
    idle = Aspect(AVAILABLE, False, reasons.SUSPENDED, "Nobody answers, as asked for.")
    return [workload, *(replace(each, required=False) for each in (found.aspect, idle, *last))], fields


async def _route(
    context: Context,
    children: Children,
    deployment: AgentDeployment,
    found: Dependencies,
    objects: DeploymentObjects,
) -> Aspect:
    if found.suspension is not None:
        return await _withdraw(context, children, deployment, found.suspension)
    owner = Owner(WORKSPACE.kind, found.workspace, found.body["metadata"]["uid"])
    aspect = await apply_route(context, children, objects.route)
    await ensure_api_ingress(context, deployment.name, owner, objects.address)
    return aspect


async def _withdraw(context: Context, children: Children, deployment: AgentDeployment, why: str) -> Aspect:
    await remove_api_ingress(context, Key(AGENT_DEPLOYMENT.kind, deployment.namespace, deployment.name))
    return await withdraw_route(context, children, deployment.name, deployment.namespace, why)


async def _apply_workload(
    context: Context,
    children: Children,
    deployment: AgentDeployment,
    objects: DeploymentObjects,
    suspension: str | None,
    scaled: Scaled | None,
) -> Aspect:
    if scaled is not None:
        await let_go_of_replicas(context, scaled.live)
    await children.look(CONFIG_MAP, objects.config_map["metadata"]["name"], deployment.namespace)
    # Pods mount the ConfigMap, so it comes first; nothing that is wrong with it may keep pods from being stopped.
    first = (objects.config_map, objects.deployment)
    await children.apply_all(first if suspension is None else reversed(first))
    await children.apply_all((objects.service, objects.disruption_budget))
    live = await children.state(objects.deployment)
    if scaled is not None:
        live = scaled.as_far_as_observed(live, children.changed)
    fewest = deployment.autoscaling.min_replicas if deployment.autoscaling else None
    if suspension is None and is_rolled_out(live, fewest):
        return available_aspect(live, None, fewest)
    pods = await context.kubernetes.list(POD, deployment.namespace, pod_selector(deployment.name))
    if suspension is not None:
        return stopped_aspect(live, pods, suspension)
    return available_aspect(live, find_trouble(pods), fewest)


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
    context.looks.note(deployment.meta.uid, _CONFIG_MAPS, current, True)


async def _version(context: Context, deployment: AgentDeployment) -> Object:
    """Which bytes an image of the tenant's own is; of the operator's, the administrator has named them."""
    if deployment.image is None:
        return {}
    pods = await context.kubernetes.list(POD, deployment.namespace, pod_selector(deployment.name))
    digests = image_digests(pods)
    return {"imageDigests": digests} if digests else {}


def _fields(context: Context, deployment: AgentDeployment, live: Object | None) -> Object:
    status = (live or {}).get("status", {})
    selector = pod_selector(deployment.name)
    return {
        "replicas": status.get("replicas", 0),
        "readyReplicas": status.get("readyReplicas", 0),
        "selector": ",".join(f"{key}={value}" for key, value in selector.items()),
        "image": deployment.image or context.settings.runtime_image,
    }
