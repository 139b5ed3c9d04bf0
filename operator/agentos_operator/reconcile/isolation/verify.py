"""Verifies one Workspace's isolation; called by a queue of its own, whose few workers bound the number of probes.

What it finds is told by the Workspace's own reconciliation, which alone writes the status.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from agentos_operator.clients.kinds import WORKSPACE
from agentos_operator.conditions import is_ready
from agentos_operator.desired.database_ca import mount_database_ca
from agentos_operator.desired.isolation_probe import build_breach_event, build_probe
from agentos_operator.errors import ApiError
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.isolation.memory import Finding
from agentos_operator.reconcile.isolation.probe import Run, remove_leftover, run_probe
from agentos_operator.reconcile.isolation.report import Verdict, judge
from agentos_operator.reconcile.isolation.schedule import STAMP, fingerprint, is_due, lacks_tokens
from agentos_operator.reconcile.isolation.targets import gather_targets, ready_pods
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace, parse_workspace
from agentos_operator.settings import DatabaseServer
from agentos_operator.workqueue import Again, Key

logger = logging.getLogger(__name__)


async def verify_isolation(context: Context, key: Key) -> Again | None:
    """Run a probe if one is due. Always None: the Workspace's reconciliation asks again."""
    body = await context.kubernetes.find(WORKSPACE, key.name)
    if body is None:
        return None
    workspace = parse_workspace(body)
    server = context.settings.server(workspace.database.server)
    if server is None or workspace.meta.deleting or not is_ready(body.get("status", {}).get("conditions", ())):
        return None
    taken = await remove_leftover(context, workspace)
    context.isolation.seen.add(workspace.meta.uid)
    if workspace.meta.uid in context.isolation.findings:
        return None  # status tells of it in a moment; until then it looks as if no run had been
    if workspace.suspended or not await _is_due(context, body, workspace, server):
        return None
    context.isolation.suspected.discard(workspace.meta.uid)  # what is written from now on needs another run
    finding = await _run(context, body, workspace, server, taken)
    context.isolation.findings[workspace.meta.uid] = finding
    context.mark(key)
    if finding.holds is False:
        await _warn(context, workspace, finding)
    return None


async def _is_due(context: Context, body: Object, workspace: Workspace, server: DatabaseServer) -> bool:
    interval = timedelta(hours=context.settings.isolation.verification.interval_hours)
    current = fingerprint(body, workspace, server, context.surroundings.current, context.settings)
    if workspace.meta.uid in context.isolation.suspected or is_due(body, current, context.now(), interval):
        return True
    return lacks_tokens(body, context.now()) and bool(await ready_pods(context, workspace.namespace))


async def _run(
    context: Context, body: Object, workspace: Workspace, server: DatabaseServer, taken: Verdict | None
) -> Finding:
    current = fingerprint(body, workspace, server, context.surroundings.current, context.settings)
    pod = build_probe(workspace, context.settings.runtime_image, await gather_targets(context, workspace, server))
    if server.ca_file:
        pod = {**pod, "spec": mount_database_ca(pod["spec"])}
    result = taken or await run_probe(context, pod)
    now = context.now()
    if isinstance(result, Verdict):
        return Finding(result.holds, result.reason, result.message, now, current)
    return _finding(result, judge(result.report, now.strftime(STAMP)), current, context)


def _finding(run: Run, verdict: Verdict, current: str, context: Context) -> Finding:
    return Finding(
        verdict.holds,
        verdict.reason,
        verdict.message,
        context.now(),
        current,
        run.report.attempts,
        run.seconds,
        run.report.cpu_seconds,
    )


async def _warn(context: Context, workspace: Workspace, finding: Finding) -> None:
    """The condition says it too, so an Event that cannot be written is no reason to run again."""
    try:
        await context.kubernetes.create(build_breach_event(workspace, finding.reason, finding.message, finding.at))
    except ApiError as error:
        logger.warning("the Event about a breach of workspace %s was not written: %s", workspace.name, error)
