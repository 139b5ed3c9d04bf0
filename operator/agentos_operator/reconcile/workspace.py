"""Reconciles one Workspace: its Namespace and what is in it, its schema and roles, its Secrets, its status.

Called by the queue with a key; reads what is, applies what should be, writes status once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agentos_operator import reasons
from agentos_operator.clients.kinds import NAMESPACE, NETWORK_POLICY, SECRET, WORKSPACE
from agentos_operator.clients.postgres import PostgresServer, place_of
from agentos_operator.conditions import SUSPENDED, Aspect, build_conditions, failed, held, is_at_rest, is_ready, waiting
from agentos_operator.database_names import DatabaseNames, database_names
from agentos_operator.desired.namespace import build_namespace
from agentos_operator.desired.quota import QuotaFault, merge_quota
from agentos_operator.desired.workspace import WorkspaceObjects, build_workspace_objects
from agentos_operator.errors import Forbidden
from agentos_operator.naming import FINALIZER, JWT_SECRET, TOKEN_ISSUER, WORKSPACE_LABEL
from agentos_operator.reconcile.attempt import attempt
from agentos_operator.reconcile.children import Children
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.database_ca import ensure_database_ca
from agentos_operator.reconcile.database_rotation import DatabaseWork
from agentos_operator.reconcile.finalizer import set_finalizer
from agentos_operator.reconcile.isolation.aspect import tell_isolation
from agentos_operator.reconcile.main_api import MAIN_API_READY, ensure_grant
from agentos_operator.reconcile.members import ensure_members
from agentos_operator.reconcile.own_host import reserved_hosts
from agentos_operator.reconcile.rotation_report import RotationReport
from agentos_operator.reconcile.status import write_status
from agentos_operator.reconcile.strangers import is_contained
from agentos_operator.reconcile.surroundings.aspect import tell_surroundings
from agentos_operator.reconcile.suspension import find_suspension
from agentos_operator.reconcile.workspace_access import CREDENTIALS_READY, ensure_access, wake_deployments
from agentos_operator.reconcile.workspace_database import DATABASE_READY, DATABASE_SERVER_SAFE, server_safety
from agentos_operator.reconcile.workspace_deletion import delete_workspace, deletion_prevented, holds_back
from agentos_operator.resources.common import Object, is_controlled_by
from agentos_operator.resources.workspace import Workspace, parse_workspace
from agentos_operator.workqueue import Again, Glance, Key

NAMESPACE_READY = "NamespaceReady"
QUOTA_READY = "QuotaReady"
"""Told only while the quota cannot be."""

RIGHTS_DELAY = 0.02
"""Seconds between looks whether a new RoleBinding has reached the API server's authorizer."""
RIGHTS_ATTEMPTS = 100


async def reconcile_workspace(context: Context, key: Key) -> Again | None:
    """Bring the Workspace called ``key.name`` to what its spec says; None when there is none."""
    body = await context.kubernetes.find(WORKSPACE, key.name)
    if body is None:
        return None
    workspace = parse_workspace(body)
    if workspace.meta.deleting and not holds_back(workspace):
        return await delete_workspace(context, body, workspace)
    report = RotationReport(body.get("status", {}))
    aspects, fields = await _provision(context, body, workspace, report)
    server = context.settings.server(workspace.database.server)
    isolation, found = tell_isolation(context, body, workspace, server, aspects)
    aspects, fields = [*aspects, *isolation], {**fields, **found}
    if workspace.meta.deleting:
        aspects = [deletion_prevented(), *aspects]
    conditions = build_conditions(aspects, "Namespace, database and credentials are ready.", workspace.meta.generation)
    status = report.complete(fields)
    await _tell(context, body, workspace, conditions, status)
    lacks_tokens = workspace.access.generated and status.get("isolation", {}).get("tokenAttempts") == 0
    awaited = lacks_tokens or workspace.suspended or workspace.meta.deleting
    glance = _glance(context, workspace, status, conditions) if is_at_rest(conditions) and not awaited else None
    return Again(is_ready(conditions), report.within, glance)


def _glance(context: Context, workspace: Workspace, status: Object, conditions: Sequence[Object]) -> Glance:
    """A look at what no watch tells of, Secrets and PostgreSQL, which puts these right itself."""
    previous = {name: status[name] for name in ("database", "auth")}
    said = next(each["message"] for each in conditions if each["type"] == DATABASE_SERVER_SAFE)

    async def is_still() -> bool:
        children = Children(context.kubernetes, context.ledger, workspace.meta.uid)
        names = database_names(workspace.name, workspace.meta.uid)
        place = place_of(context.databases[workspace.database.server], workspace.database.isolation, names)
        work = DatabaseWork(context, children, workspace, names, place, RotationReport(previous))
        aspects = (
            *await ensure_access(work, may_log_in=False),
            await attempt(NAMESPACE_READY, ensure_database_ca(children, workspace, place, NAMESPACE_READY)),
        )
        return all(each.holds for each in aspects) and not children.changed and server_safety(place).message == said

    return is_still


async def _provision(
    context: Context, body: Object, workspace: Workspace, report: RotationReport
) -> tuple[list[Aspect], Object]:
    """What holds of the workspace after this attempt, and the fields of its status."""
    server = context.databases.get(workspace.database.server)
    if server is None:
        return _not_begun(_unknown_server(context, workspace)), {}
    foreign = await _foreign_namespace(context, workspace)
    if foreign is not None:
        return _not_begun(foreign), {}
    fault = _quota_fault(context, workspace)
    if fault is not None and "namespace" not in body.get("status", {}):
        return _not_begun(fault), {}
    if FINALIZER not in workspace.meta.finalizers:
        await set_finalizer(context, body, present=True)
    aspects, fields = await _provision_owned(context, workspace, server, report)
    # What runs already keeps the quota that it has, and everything else of it is kept as it should be.
    return [*([fault] if fault else []), *aspects], fields


async def _provision_owned(
    context: Context, workspace: Workspace, server: PostgresServer, report: RotationReport
) -> tuple[list[Aspect], Object]:
    children = Children(context.kubernetes, context.ledger, workspace.meta.uid)
    objects = build_workspace_objects(workspace, context.surroundings.current, context.settings)
    names = database_names(workspace.name, workspace.meta.uid)
    place = place_of(server, workspace.database.isolation, names)
    namespace = await attempt(NAMESPACE_READY, _enter(context, children, objects))
    if not namespace.holds:
        return _not_begun(namespace), {}
    inside, authorities, (database, credentials) = await asyncio.gather(
        attempt(NAMESPACE_READY, _furnish(context, children, workspace, objects)),
        attempt(NAMESPACE_READY, ensure_database_ca(children, workspace, server, NAMESPACE_READY)),
        ensure_access(DatabaseWork(context, children, workspace, names, place, report), may_log_in=True),
    )
    if NETWORK_POLICY.kind in children.changed:
        context.isolation.suspected.add(workspace.meta.uid)
    aspects = [
        inside if authorities.holds else authorities,
        database,
        credentials,
        *report.aspects(),
        server_safety(place),
        *tell_surroundings(context, workspace),
    ]
    if workspace.suspended:
        aspects.append(await attempt(SUSPENDED, find_suspension(context, workspace)))
    routing = context.settings.routing
    if routing.api is not None and routing.mode == "Gateway":
        aspects.append(await attempt(MAIN_API_READY, ensure_grant(children, workspace.owner, routing.api)))
    if reserved := reserved_hosts(workspace.hosts, routing.base_domain):
        aspects.append(reserved)
    return aspects, _fields(context, workspace, names, place.settings.database)


def _not_begun(cause: Aspect) -> list[Aspect]:
    """``cause`` stands in the way of everything after it."""
    order = (NAMESPACE_READY, DATABASE_READY, CREDENTIALS_READY)
    return [cause, *(waiting(type_, cause.type) for type_ in order if type_ != cause.type)]


def _unknown_server(context: Context, workspace: Workspace) -> Aspect:
    known = ", ".join(sorted(context.databases)) or "none"
    return failed(
        DATABASE_READY,
        reasons.UNKNOWN_DATABASE_SERVER,
        f"spec.database.server names {workspace.database.server}, but the operator knows: {known}. Add the server to "
        "the operator's configuration, or make a new Workspace on one that it knows.",
        stalled=True,
    )


def _quota_fault(context: Context, workspace: Workspace) -> Aspect | None:
    quota = merge_quota(workspace.quota, context.settings.quota.profiles)
    if isinstance(quota, QuotaFault):
        return failed(QUOTA_READY, quota.reason, quota.message, stalled=True)
    return None


async def _foreign_namespace(context: Context, workspace: Workspace) -> Aspect | None:
    """Why the Namespace cannot be the workspace's; None when it is, may be adopted, or does not exist yet."""
    live = await context.kubernetes.find(NAMESPACE, workspace.namespace)
    if live is None:
        if context.ledger.miss(NAMESPACE.kind, None, workspace.namespace):
            context.ledger.forget(workspace.namespace)
        return None
    context.ledger.observe(live, deleted=False)
    if "deletionTimestamp" in live["metadata"]:
        return failed(
            NAMESPACE_READY,
            reasons.NAMESPACE_TERMINATING,
            f"Namespace {workspace.namespace} is still being deleted; the workspace goes on when it is gone.",
        )
    if is_controlled_by(live, workspace.meta.uid):
        if is_contained(wanted := build_namespace(workspace), live) and not context.ledger.is_current(wanted):
            context.ledger.record(wanted, live)
        return None
    if _may_adopt(workspace, live):
        return None
    return failed(
        NAMESPACE_READY,
        reasons.NAMESPACE_NOT_OWNED,
        f"Namespace {workspace.namespace} exists and is not this workspace's; nothing in it was touched. To hand it "
        f"over, label it {WORKSPACE_LABEL}={workspace.name} and set spec.namespace.adopt to true.",
        stalled=True,
    )


def _may_adopt(workspace: Workspace, namespace: Object) -> bool:
    """Both sides say so, and nobody else controls it."""
    metadata = namespace["metadata"]
    controlled = any(reference.get("controller") for reference in metadata.get("ownerReferences", ()))
    labelled = metadata.get("labels", {}).get(WORKSPACE_LABEL) == workspace.name
    return workspace.adopt_namespace and labelled and not controlled


async def _enter(context: Context, children: Children, objects: WorkspaceObjects) -> Aspect:
    """The Namespace exists, and the operator has its rights in it."""
    namespace = objects.namespace["metadata"]["name"]
    if not context.ledger.is_current(objects.namespace):
        # Ownership, or the permission to adopt, was checked by ``_foreign_namespace`` in this same attempt.
        context.ledger.begin(objects.namespace)
        with context.ledger.echoes.writing(objects.namespace):
            context.ledger.record(objects.namespace, await context.kubernetes.apply(objects.namespace))
    if await children.apply(objects.role_binding):
        await _wait_for_rights(context, namespace)
    return held(NAMESPACE_READY, f"Namespace {namespace} is ready.")


async def _wait_for_rights(context: Context, namespace: str) -> None:
    """The authorizer learns of a RoleBinding from a watch, some milliseconds after its creation was answered."""
    for _ in range(RIGHTS_ATTEMPTS):
        try:
            await context.kubernetes.find(SECRET, JWT_SECRET, namespace)
        except Forbidden:
            await asyncio.sleep(RIGHTS_DELAY)
        else:
            return


async def _furnish(context: Context, children: Children, workspace: Workspace, objects: WorkspaceObjects) -> Aspect:
    await children.apply_all(objects.inside)
    await ensure_members(context, children, workspace, objects.member_bindings)
    return held(NAMESPACE_READY, f"Namespace {workspace.namespace} is isolated and has its quota.")


def _fields(context: Context, workspace: Workspace, names: DatabaseNames, database: str) -> Object:
    return {
        "namespace": {
            "name": workspace.namespace,
            "uid": context.ledger.uid(NAMESPACE.kind, None, workspace.namespace),
        },
        "database": {
            "server": workspace.database.server,
            "database": database,
            "schema": names.schema,
            "owner": names.owner,
            "login": names.login_a,
        },
        "auth": {"issuer": TOKEN_ISSUER, "audience": workspace.meta.uid},
    }


async def _tell(context: Context, body: Object, workspace: Workspace, conditions: list[Object], fields: Object) -> None:
    """Write status; AgentDeployments are woken by a change.

    The write may be done without an answer, and the list of those to wake may fail: the next attempt sees no change any
    more, so what is owed is remembered.
    """
    uid = workspace.meta.uid
    owed = uid in context.owed
    context.owed.add(uid)
    if await write_status(context, body, conditions, fields) or owed:
        await wake_deployments(context, workspace)
    context.owed.discard(uid)
