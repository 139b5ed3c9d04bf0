"""Takes a Workspace down, in the order that loses nothing: workloads, database, Namespace, finalizer.

Every step can be repeated; what is in the way of one stands in the condition ``Ready`` until it is gone. Objects of
other owners are left alone.
"""

from __future__ import annotations

from dataclasses import replace

from agentos_operator import reasons
from agentos_operator.clients.kinds import DEPLOYMENT, NAMESPACE
from agentos_operator.clients.postgres import DatabaseError, place_of
from agentos_operator.conditions import Aspect, build_conditions, failed, held, waiting
from agentos_operator.database_names import database_names
from agentos_operator.desired.namespace import build_namespace
from agentos_operator.errors import Forbidden
from agentos_operator.naming import FINALIZER, PREVENT_DELETION_LABEL, workspace_labels
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.finalizer import set_finalizer
from agentos_operator.reconcile.retained import publish_retained
from agentos_operator.reconcile.status import write_status
from agentos_operator.reconcile.workspace_database import database_failure
from agentos_operator.resources.common import Object, is_controlled_by
from agentos_operator.resources.workspace import Workspace
from agentos_operator.workqueue import UNSETTLED, Again

NAMESPACE_GONE = "NamespaceRemoved"
DATABASE_GONE = "DatabaseRemoved"
DELETING = "Deleting"


def holds_back(workspace: Workspace) -> bool:
    """Whether a deletion that was asked for must not begin: everything goes on as if nobody had asked."""
    return workspace.prevent_deletion and FINALIZER in workspace.meta.finalizers


def deletion_prevented() -> Aspect:
    """Says so, and how to go on. Kubernetes does not take the request back: the deletion begins when it may."""
    return failed(
        DELETING,
        reasons.DELETION_PREVENTED,
        "Deletion was asked for and is held back, because spec.preventDeletion is true; everything runs on. Set it to "
        "false to have the workspace deleted.",
        stalled=True,
    )


async def delete_workspace(context: Context, body: Object, workspace: Workspace) -> Again | None:
    """One attempt at taking ``workspace`` down; None when nothing is left to do."""
    if FINALIZER not in workspace.meta.finalizers:
        return None
    namespace = await context.kubernetes.find(NAMESPACE, workspace.namespace)
    ours = namespace if namespace and is_controlled_by(namespace, workspace.meta.uid) else None
    if ours:
        await _stop_workloads(context, workspace)
    database = await _remove_database(context, workspace)
    if database.holds:
        gone = await _remove_namespace(context, workspace, ours)
    else:
        gone = waiting(NAMESPACE_GONE, DATABASE_GONE)
    if database.holds and gone.holds:
        await set_finalizer(context, body, present=False)
        context.ledger.forget(workspace.namespace)
        return None
    conditions = build_conditions((_deleting(), database, gone), "", workspace.meta.generation)
    fields = {key: body.get("status", {})[key] for key in ("namespace", "database") if key in body.get("status", {})}
    await write_status(context, body, conditions, fields)
    return UNSETTLED


def _deleting() -> Aspect:
    return held(DELETING, "The workspace is being deleted.", reasons.DELETING)


async def _stop_workloads(context: Context, workspace: Workspace) -> None:
    """Delete the runtimes; the AgentDeployments themselves go with the Namespace."""
    try:
        labels = workspace_labels(workspace.name)
        for deployment in await context.kubernetes.list(DEPLOYMENT, workspace.namespace, labels):
            metadata = deployment["metadata"]
            await context.kubernetes.delete(DEPLOYMENT, metadata["name"], workspace.namespace, metadata["uid"])
    except Forbidden:
        # The RoleBinding is gone already: the Namespace is being emptied, which stops the workloads as well.
        return


async def _remove_database(context: Context, workspace: Workspace) -> Aspect:
    server = context.databases.get(workspace.database.server)
    if server is None:
        return failed(
            DATABASE_GONE,
            reasons.UNKNOWN_DATABASE_SERVER,
            f"The operator knows no database server {workspace.database.server}, so the workspace's data can be "
            "neither kept nor dropped; add the server to the operator's configuration.",
            stalled=True,
        )
    names, isolation = database_names(workspace.name, workspace.meta.uid), workspace.database.isolation
    place = place_of(server, isolation, names)
    try:
        if workspace.deletion_policy == "Delete":
            await place.drop_workspace(names, workspace.meta.uid)
            return held(DATABASE_GONE, f"{isolation} {names.schema} was dropped.", reasons.DATABASE_DROPPED)
        await place.retain_workspace(names, workspace.meta.uid, workspace.name)
        await publish_retained(context, workspace.database.server, server)
        return held(DATABASE_GONE, f"{isolation} {names.schema} was retained.", reasons.DATABASE_RETAINED)
    except DatabaseError as error:
        blocked = database_failure(error)
        return failed(DATABASE_GONE, blocked.reason, blocked.message, stalled=blocked.stalled)


async def _remove_namespace(context: Context, workspace: Workspace, namespace: Object | None) -> Aspect:
    if namespace is None:
        return held(NAMESPACE_GONE, f"Namespace {workspace.namespace} is gone or was never the workspace's.")
    metadata = namespace["metadata"]
    if "deletionTimestamp" not in metadata:
        if PREVENT_DELETION_LABEL in metadata.get("labels", {}):
            await context.kubernetes.apply(build_namespace(replace(workspace, prevent_deletion=False)))
        await context.kubernetes.delete(NAMESPACE, workspace.namespace, None, metadata["uid"])
    return failed(NAMESPACE_GONE, reasons.NAMESPACE_TERMINATING, _what_remains(namespace))


def _what_remains(namespace: Object) -> str:
    """What Kubernetes says holds the Namespace up."""
    name = namespace["metadata"]["name"]
    remaining = [
        condition["message"]
        for condition in namespace.get("status", {}).get("conditions", ())
        if condition["status"] == "True"
    ]
    return " ".join([f"Namespace {name} is being deleted.", *remaining])
