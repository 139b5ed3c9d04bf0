"""When a workspace's isolation is to be tried: after a change, on a schedule, soon again when nothing was proved; pure.

Everything is read from status, so that a restart of the operator runs nothing that is not due anyway.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from agentos_operator import reasons
from agentos_operator.database_names import database_names
from agentos_operator.desired.namespace import build_namespace
from agentos_operator.desired.network_policy import build_default_deny, build_openings, build_probe_opening
from agentos_operator.desired.surroundings import Surroundings
from agentos_operator.naming import VERIFY_ANNOTATION, digest
from agentos_operator.resources.common import Object
from agentos_operator.resources.workspace import Workspace
from agentos_operator.settings import DatabaseServer, Settings

ISOLATION_VERIFIED = "IsolationVerified"
RETRY = timedelta(minutes=10)
"""Between runs that proved nothing."""
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def fingerprint(
    body: Object, workspace: Workspace, server: DatabaseServer, surroundings: Surroundings, settings: Settings
) -> str:
    """Changes with everything that isolates ``workspace``, and when somebody asks for a run."""
    policies = (
        build_default_deny(workspace),
        build_openings(workspace, surroundings, settings),
        build_probe_opening(workspace),
    )
    names = database_names(workspace.name, workspace.meta.uid)
    return digest(
        {
            "policies": [policy["spec"] for policy in policies],
            "namespace": build_namespace(workspace)["metadata"]["labels"],
            "database": {**asdict(names), "host": server.host, "port": server.port},
            "mode": workspace.database.isolation,
            # Absent where there is none, so that an operator that learnt of it tries nobody anew.
            **({"runtimeClass": workspace.runtime_class} if workspace.runtime_class else {}),
            "asked": body["metadata"].get("annotations", {}).get(VERIFY_ANNOTATION, ""),
        }
    )


def is_due(body: Object, current: str, now: datetime, interval: timedelta) -> bool:
    """Whether to run, by what ``status`` says of the last time."""
    last = body.get("status", {}).get("isolation")
    told = told_before(body)
    if last is None or told is None or last["fingerprint"] != current:
        return True
    if told["reason"] == reasons.VERIFICATION_PENDING:
        return True
    age = now - last_run(last)
    if told["status"] == "Unknown" and age >= min(RETRY, interval):
        return True
    return age >= interval * _jitter(body["metadata"]["uid"])


def lacks_tokens(body: Object, now: datetime) -> bool:
    """Whether the last run found no runtime to show tokens to, and is old enough to try that now."""
    last = body.get("status", {}).get("isolation")
    return last is not None and last["tokenAttempts"] == 0 and now - last_run(last) >= RETRY


def told_before(body: Object) -> Object | None:
    """The condition as it stands in status."""
    conditions = body.get("status", {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == ISOLATION_VERIFIED), None)


def last_run(isolation: Object) -> datetime:
    """When the run ended that ``status.isolation`` tells of."""
    return datetime.strptime(isolation["lastRun"], STAMP).replace(tzinfo=UTC)


def _jitter(uid: str) -> float:
    """0.9 to 1.1, always the same for one workspace: runs that began together drift apart."""
    return 0.9 + int(hashlib.sha256(uid.encode()).hexdigest()[:4], 16) / 0xFFFF * 0.2
