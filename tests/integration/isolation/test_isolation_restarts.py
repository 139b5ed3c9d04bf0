"""Runs of the isolation probe over the operator's own life: restarts, crashes, how many at once, and none at all."""

from __future__ import annotations

from typing import Any

import yaml

from tests.integration.isolation.probing import PROBE, VERIFYING, end_pod, report, verified, wait_for_pod
from tests.integration.operator.stage import Stage, condition, new_name, workspace

TYPE = "IsolationVerified"
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}


def test_a_strangers_pod_of_the_probes_name_is_left_alone_and_told(stage: Stage) -> None:
    with stage.running():
        name = stage.ready_workspace()
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": PROBE, "namespace": f"ws-{name}"},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "x", "image": "x", "securityContext": RESTRICTED}],
        },
    }
    theirs = stage.api.create(pod)
    with stage.running(isolation=VERIFYING, resyncSeconds=1):
        stage.wait_for("Workspace", name, type_=TYPE, status="Unknown", reason="NotOwned")
    assert stage.child("Pod", f"ws-{name}", PROBE)["metadata"]["uid"] == theirs["metadata"]["uid"]


def test_a_restarted_operator_runs_nothing_that_is_not_due_and_writes_nothing(stage: Stage) -> None:
    with stage.running(isolation=VERIFYING, resyncSeconds=1):
        name = stage.ready_workspace()
        verified(stage, name, "True")
        stage.wait_until_gone("Pod", PROBE, f"ws-{name}")
    before = stage.versions([name])
    with stage.running(isolation=VERIFYING, resyncSeconds=1):
        other = stage.ready_workspace()  # by then the first one was looked at as well
        verified(stage, other, "True")
        assert stage.versions([name]) == before


def test_a_crash_in_the_middle_of_a_run_leaves_no_pod_and_the_next_operator_runs_it_again(stage: Stage) -> None:
    with stage.running(isolation=VERIFYING):
        name = stage.ready_workspace()
        first = wait_for_pod(stage, f"ws-{name}")
    with stage.running(isolation=VERIFYING):
        wait_for_pod(stage, f"ws-{name}", but=first["metadata"]["uid"])
        verified(stage, name, "True")
        stage.wait_until_gone("Pod", PROBE, f"ws-{name}")


def test_a_suspended_workspace_is_not_probed_and_loses_what_a_crash_left(stage: Stage) -> None:
    with stage.running(isolation=VERIFYING):
        name = stage.ready_workspace()
        wait_for_pod(stage, f"ws-{name}")
    stage.api.patch("Workspace", name, {"spec": {"suspended": True}})
    with stage.running(isolation=VERIFYING, resyncSeconds=1):
        stage.wait_until_gone("Pod", PROBE, f"ws-{name}")
        stage.wait_for("Workspace", name, reason="Suspended")
        other = stage.ready_workspace()
        verified(stage, other, "True")
    assert stage.api.get("Pod", PROBE, f"ws-{name}") is None


def test_no_more_probes_run_at_once_than_the_configuration_allows(stage: Stage) -> None:
    one = {"verification": {**VERIFYING["verification"], "maxConcurrent": 1}}
    names = [new_name() for _ in range(3)]
    stage.api.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(map(workspace, names)))
    with stage.running(isolation=one, resyncSeconds=1):
        for name in names:
            stage.wait_for("Workspace", name)
        left = {f"ws-{name}" for name in names}
        while left:
            running = probes(stage, left)
            assert len(running) <= 1
            for pod in running:
                end_pod(stage, pod["metadata"]["namespace"], report())
                left.discard(pod["metadata"]["namespace"])
        for name in names:
            stage.wait_for("Workspace", name, type_=TYPE)


def probes(stage: Stage, places: set[str]) -> list[Any]:
    return [pod for place in places if (pod := stage.api.get("Pod", PROBE, place))]


def test_what_is_switched_off_makes_no_pod_and_no_condition(stage: Stage) -> None:
    with stage.running(resyncSeconds=1):
        name = stage.ready_workspace()
        body = stage.api.get("Workspace", name)
    assert condition(body, TYPE) == {}
    assert stage.api.get("Pod", PROBE, f"ws-{name}") is None
