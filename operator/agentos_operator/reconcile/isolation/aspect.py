"""What a Workspace's status says of its isolation: the newest finding, or what was said before.

Called at the end of every reconciliation of a Workspace; asks the verifier for a run when one is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from agentos_operator import reasons
from agentos_operator.clients.kinds import WORKSPACE
from agentos_operator.conditions import Aspect
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.isolation.memory import Finding
from agentos_operator.reconcile.isolation.schedule import (
    ISOLATION_VERIFIED,
    STAMP,
    fingerprint,
    is_due,
    lacks_tokens,
    told_before,
)
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace
from agentos_operator.settings import DatabaseServer
from agentos_operator.workqueue import Key

_HOLDS = {"True": True, "False": False}


def tell_isolation(
    context: Context, body: Object, workspace: Workspace, server: DatabaseServer | None, others: Sequence[Aspect]
) -> tuple[list[Aspect], Object]:
    """The aspect and the fields of status, none of both where verification is off; ``others`` tell what is ready."""
    if not context.settings.isolation.verification.enabled or server is None:
        return [], {}
    memory, uid = context.isolation, workspace.meta.uid
    finding = memory.findings.get(uid)
    if finding is not None and _kept(body) != _fields(finding):
        return [_told(finding)], _fields(finding)
    memory.findings.pop(uid, None)
    current = fingerprint(body, workspace, server, context.surroundings.current, context.settings)
    changed = uid in memory.suspected or _changed(body, current)
    ready = all(each.holds for each in others if each.required)
    due = not workspace.suspended and (changed or _is_due(context, body, workspace, current))
    if ready and (uid not in memory.seen or due):
        memory.request(Key(WORKSPACE.kind, None, workspace.name))
    return [_repeated(body, changed=changed)], _kept(body)


def _is_due(context: Context, body: Object, workspace: Workspace, current: str) -> bool:
    interval = timedelta(hours=context.settings.isolation.verification.interval_hours)
    wants_tokens = workspace.access.generated and lacks_tokens(body, context.now())
    return is_due(body, current, context.now(), interval) or wants_tokens


def _changed(body: Object, current: str) -> bool:
    last = body.get("status", {}).get("isolation")
    return last is not None and last["fingerprint"] != current


def _told(finding: Finding) -> Aspect:
    return Aspect(ISOLATION_VERIFIED, finding.holds, finding.reason, finding.message, required=False)


def _fields(finding: Finding) -> Object:
    told = {
        "lastRun": finding.at.strftime(STAMP),
        "fingerprint": finding.fingerprint,
        "attempts": sum(finding.attempts.values()),
        "tokenAttempts": finding.attempts.get("token", 0),
        "probeMilliseconds": round(finding.seconds * 1000),
        "probeCPUMilliseconds": round(finding.cpu_seconds * 1000),
    }
    return {"isolation": told}


def _kept(body: Object) -> Object:
    status = body.get("status", {})
    return {"isolation": status["isolation"]} if "isolation" in status else {}


def _repeated(body: Object, *, changed: bool) -> Aspect:
    """What was said before; a proof does not outlive a change of what it was about, a breach does."""
    told = told_before(body)
    if told is None:
        return _pending("No attempt to get out was made yet.")
    if changed and told["status"] == "True":
        return _pending("What isolates the workspace has changed since the last attempts; they are made again soon.")
    return Aspect(ISOLATION_VERIFIED, _HOLDS.get(told["status"]), told["reason"], told["message"], required=False)


def _pending(message: str) -> Aspect:
    return Aspect(ISOLATION_VERIFIED, None, reasons.VERIFICATION_PENDING, message, required=False)
