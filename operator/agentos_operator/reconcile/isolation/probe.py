"""Runs one probe: makes the pod, waits for its end, reads what it left, removes it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from agentos_operator import reasons
from agentos_operator.clients.kinds import POD
from agentos_operator.desired.isolation_probe import DEADLINE_SECONDS
from agentos_operator.errors import ApiError, Conflict, Forbidden, Invalid
from agentos_operator.naming import PROBE_NAME
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.isolation.report import Report, Verdict, last_words, read_report
from agentos_operator.reconcile.pods import find_trouble
from agentos_operator.resources.common import Object, is_controlled_by
from agentos_operator.resources.workspace import Workspace

logger = logging.getLogger(__name__)

_NOT_YET = ("status unknown for quota", "error looking up service account")
"""What admission says in the first moments of a Namespace; it passes by itself."""
POLL_SECONDS = 0.5
PATIENCE_SECONDS = DEADLINE_SECONDS + 15
"""Until a pod that has not ended is given up: one that finds no node has no deadline of its own."""


@dataclass(frozen=True)
class Run:
    """What a pod left."""

    report: Report
    seconds: float
    """From its creation to its end being known."""


async def run_probe(context: Context, pod: Object) -> Run | Verdict:
    """What the probe reports, or why there is no report."""
    began = context.monotonic()
    try:
        created = await context.kubernetes.create(pod)
    except Forbidden as error:
        if any(words in str(error) for words in _NOT_YET):
            raise
        reason = reasons.QUOTA_EXCEEDED if "exceeded quota" in str(error) else reasons.FORBIDDEN
        return _failed(reason, f"The probe's pod may not be made: {error}")
    except Invalid as error:
        return _failed(reasons.REFUSED, f"The API server refuses the probe's pod: {error}")
    try:
        ended = await _wait(context, created, began)
        return ended if isinstance(ended, Verdict) else _read(created, ended, context.monotonic() - began)
    finally:
        await _delete(context, created)


async def remove_leftover(context: Context, workspace: Workspace) -> Verdict | None:
    """Remove a pod that a crash left; says so when the name is taken by somebody else."""
    live = await context.kubernetes.find(POD, PROBE_NAME, workspace.namespace)
    if live is None:
        return None
    if not is_controlled_by(live, workspace.meta.uid):
        return _failed(reasons.NOT_OWNED, f"Pod {PROBE_NAME} exists and is not the operator's; delete it.")
    await _delete(context, live)
    if await context.kubernetes.find(POD, PROBE_NAME, workspace.namespace) is not None:
        raise Conflict(f"pod {PROBE_NAME} of an earlier run is still on its way out")
    return None


async def _wait(context: Context, created: Object, began: float) -> Object | Verdict:
    """The pod once its container has ended."""
    metadata = created["metadata"]
    while True:
        live = await context.kubernetes.find(POD, metadata["name"], metadata["namespace"])
        if live is None or live["metadata"]["uid"] != metadata["uid"]:
            return _failed(reasons.PROBE_FAILED, "Somebody deleted the probe's pod before it had ended.")
        if last_words(live) is not None:
            return live
        trouble = find_trouble([live])
        over = context.monotonic() - began >= PATIENCE_SECONDS or live.get("status", {}).get("phase") == "Failed"
        if trouble and (over or trouble.stalled):
            return _failed(trouble.reason, trouble.message)
        if over:
            return _failed(reasons.PROBE_FAILED, f"The probe's pod did not end within {PATIENCE_SECONDS} seconds.")
        await asyncio.sleep(POLL_SECONDS)


def _read(created: Object, ended: Object, seconds: float) -> Run | Verdict:
    if ended["spec"].get("ephemeralContainers") or ended["spec"]["containers"] != created["spec"]["containers"]:
        return _failed(reasons.PROBE_FAILED, "Somebody changed the probe's pod while it ran.")
    code, message = last_words(ended) or (0, "")
    report = read_report(message)
    if report is None:
        return _failed(reasons.PROBE_FAILED, f"The probe ended with exit code {code} and without a report.")
    return Run(report, seconds)


async def _delete(context: Context, pod: Object) -> None:
    metadata = pod["metadata"]
    try:
        await context.kubernetes.delete(POD, metadata["name"], metadata["namespace"], metadata["uid"])
    except ApiError as error:
        logger.warning("a probe's pod remains until its workspace is looked at again: %s", error)


def _failed(reason: str, message: str) -> Verdict:
    return Verdict(None, reason, message)
