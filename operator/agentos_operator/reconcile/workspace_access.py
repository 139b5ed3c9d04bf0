"""A Workspace's way in: its schema, roles and signing secret, and the AgentDeployments whose pods follow them.

Called by ``reconcile.workspace``, and alone by its glances: of all that a Workspace is, this is what no watch tells of.
"""

from __future__ import annotations

import asyncio

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, SECRET
from agentos_operator.conditions import Aspect, held
from agentos_operator.naming import JWT_SECRET
from agentos_operator.reconcile.attempt import attempt
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.database_rotation import DatabaseWork
from agentos_operator.reconcile.jwt_rotation import JwtRotation
from agentos_operator.reconcile.retained import publish_retained
from agentos_operator.reconcile.workspace_database import DATABASE_READY, ensure_database
from agentos_operator.resources.workspace import Workspace
from agentos_operator.workqueue import Key

CREDENTIALS_READY = "CredentialsReady"


async def ensure_access(work: DatabaseWork, *, may_log_in: bool) -> tuple[Aspect, Aspect]:
    """The database and the credentials are as they should be."""
    context, workspace = work.context, work.workspace
    database, credentials = await asyncio.gather(
        attempt(DATABASE_READY, ensure_database(work, may_log_in=may_log_in)),
        attempt(CREDENTIALS_READY, _issue(JwtRotation(context, work.children, workspace, work.report))),
    )
    if SECRET.kind in work.children.changed:
        context.owed.add(workspace.meta.uid)
        await wake_deployments(context, workspace)
    await publish_retained(context, workspace.database.server, context.databases[workspace.database.server])
    return database, credentials


async def wake_deployments(context: Context, workspace: Workspace) -> None:
    """AgentDeployments that waited for the workspace go on at once, and pods follow its new credentials."""
    for deployment in await context.kubernetes.list(AGENT_DEPLOYMENT, workspace.namespace, {}):
        context.mark(Key(AGENT_DEPLOYMENT.kind, workspace.namespace, deployment["metadata"]["name"]))
    context.owed.discard(workspace.meta.uid)


async def _issue(rotation: JwtRotation) -> Aspect:
    await rotation.run()
    return held(CREDENTIALS_READY, f"Tokens are signed with the key secret of Secret {JWT_SECRET}.")
