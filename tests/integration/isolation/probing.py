"""What the tests of isolation say to a probe: as a program with a tenant's means, or as the kubelet that runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from agentos_operator.database_names import database_names, tenants_role
from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import Stage

PROBE = "agentos-isolation-probe"
VERIFYING = {"verification": {"enabled": True, "delaySeconds": 0}}
GOOD: Object = {
    "version": 1,
    "attempts": {"network": 5, "postgresql": 60, "token": 16},
    "controls": 3,
    "breaches": [],
    "breachCount": 0,
    "inconclusive": [],
    "failedControls": [],
    "seconds": 2.1,
    "cpuSeconds": 0.25,
}


def targets(stage: Stage, name: str, **changes: Any) -> Object:
    """What the operator would tell the probe of one workspace, without anything in the network."""
    body = stage.api.get("Workspace", name)
    assert body is not None
    names = database_names(name, body["metadata"]["uid"])
    return {
        "version": 1,
        "endpoints": [],
        "neighbours": [],
        "ownerRole": names.owner,
        "ownRoles": [*names.logins, names.owner, tenants_role(stage.database)],
        "sharedSchemas": ["ext"],
        "runtimes": [],
        "port": 7777,
        **changes,
    }


def probe(stage: Stage, name: str, folder: Path, **changes: Any) -> Object:
    """The report of a probe with the means of one workspace."""
    place = f"ws-{name}"
    database, jwt = stage.secret("agentos-database", place), stage.secret("agentos-jwt", place)
    log = folder / "termination-log"
    log.touch()
    environment = {
        **os.environ,
        "AGENTOS_TERMINATION_LOG": str(log),
        "AGENTOS_WORKSPACE": name,
        "AGENTOS_DATABASE_URL": database["url"],
        "AGENTOS_DATABASE_SCHEMA": database["schema"],
        "AGENTOS_JWT_VERIFICATION_SECRETS": jwt["verification-secrets"],
        "AGENTOS_JWT_ISSUER": jwt["issuer"],
        "AGENTOS_JWT_AUDIENCE": jwt["audience"],
        "AGENTOS_ISOLATION_TARGETS": json.dumps(targets(stage, name, **changes)),
    }
    command = [sys.executable, "-m", "agentos_runtime", "verify-isolation"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = log.read_text()
    assert not any(secret in text + done.stdout + done.stderr for secret in stage.secrets)
    assert len(text.encode()) <= 4096
    report: Object = json.loads(text)
    return report


def wait_for_pod(stage: Stage, place: str, but: str = "") -> Object:
    """The probe's pod, once the operator has made one with another UID than ``but``."""
    found: list[Object] = []

    def is_there() -> bool:
        live = stage.api.get("Pod", PROBE, place)
        found[:] = [live] if live and live["metadata"]["uid"] != but else []
        return bool(found)

    eventually(is_there, f"a probe runs in {place}", 30)
    return found[0]


def end_pod(stage: Stage, place: str, message: str, exit_code: int = 0) -> Object:
    """Let the probe's pod end with these last words, as a kubelet would; its body before that."""
    pod = wait_for_pod(stage, place)
    ended = {"exitCode": exit_code, "reason": "Completed", "message": message}
    container = {"name": "probe", "image": "x", "imageID": "x", "ready": False, "restartCount": 0}
    status = {"phase": "Succeeded", "containerStatuses": [{**container, "state": {"terminated": ended}}]}
    stage.api.patch("Pod", PROBE, {"status": status}, place, "status")
    return pod


def report(**changes: Any) -> str:
    """Last words of a probe that found nothing, with changes."""
    return json.dumps({**GOOD, **changes})


def verified(stage: Stage, name: str, status: str, message: str = "", exit_code: int = 0) -> Object:
    """The Workspace, once a probe ended with ``message`` and that was told."""
    end_pod(stage, f"ws-{name}", message or report(), exit_code)
    return stage.wait_for("Workspace", name, type_="IsolationVerified", status=status)
