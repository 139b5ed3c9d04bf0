"""The condition IsolationVerified: when the operator runs a probe, what it makes of the result, and what it leaves.

The tests play the kubelet: they end the probe's pod with the words that a probe would leave.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.isolation.probing import PROBE, VERIFYING, end_pod, report, verified, wait_for_pod
from tests.integration.operator.stage import OperatorProcess, Stage, condition, new_name

TYPE = "IsolationVerified"
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}


@pytest.fixture(scope="module")
def operator(stage: Stage) -> Iterator[OperatorProcess]:
    """Verifies; its resync is so short that a changed status is looked at soon."""
    with stage.running(isolation=VERIFYING, resyncSeconds=1) as process:
        yield process


def test_a_new_workspace_is_ready_without_it_and_true_after_attempts_that_failed(
    stage: Stage, operator: OperatorProcess
) -> None:
    name = stage.ready_workspace()
    assert condition(stage.api.get("Workspace", name), TYPE)["reason"] == "VerificationPending"
    body = verified(stage, name, "True")
    told = condition(body, TYPE)
    assert told["reason"] == "Isolated"
    assert told["message"].startswith("81 attempts at ")
    assert "(5 network, 60 PostgreSQL, 16 token)" in told["message"]
    assert body["status"]["isolation"]["attempts"] == 81
    assert body["status"]["isolation"]["probeCPUMilliseconds"] == 250
    assert condition(body)["status"] == "True"
    stage.wait_until_gone("Pod", PROBE, f"ws-{name}")


def test_the_probe_has_what_a_runtime_has_and_no_more(stage: Stage, operator: OperatorProcess) -> None:
    name = stage.ready_workspace()
    pod = wait_for_pod(stage, f"ws-{name}")
    (container,) = pod["spec"]["containers"]
    assert container["image"] == stage.configuration["runtimeImage"]
    assert container["securityContext"] == RESTRICTED
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert "volumes" not in pod["spec"]
    assert pod["spec"]["activeDeadlineSeconds"] == 60
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "Workspace"
    secrets = {each["valueFrom"]["secretKeyRef"]["name"] for each in container["env"] if "valueFrom" in each}
    assert secrets == {"agentos-database", "agentos-jwt"}
    verified(stage, name, "True")


def test_a_breach_is_false_with_its_name_and_a_warning_and_no_reason_not_to_be_ready(
    stage: Stage, operator: OperatorProcess
) -> None:
    name = stage.ready_workspace()
    breach = "connect to the operator at 10.0.0.7 port 8080"
    body = verified(stage, name, "False", report(breaches=[breach, "x"], breachCount=2))
    told = condition(body, TYPE)
    assert told["reason"] == "IsolationBreached"
    assert told["message"].startswith(f"A tenant could {breach}: 2 of 81 attempts")
    assert condition(body)["status"] == "True"
    eventually(lambda: bool(warnings(stage, body)), "a Warning event is there")
    (event,) = warnings(stage, body)
    assert (event["type"], event["reason"]) == ("Warning", "IsolationBreached")
    assert breach in event["note"]
    assert breach in stage.api.kubectl("describe", "workspace", name).stdout


def warnings(stage: Stage, body: Object) -> list[Object]:
    uid = body["metadata"]["uid"]
    return [each for each in stage.api.items("Event", "default") if each["regarding"].get("uid") == uid]


UNPROVED: dict[str, tuple[str, str, str]] = {
    "a control failed": (
        report(failedControls=["its own database answers (OperationalError)"]),
        "VerificationInconclusive",
        "own database",
    ),
    "an attempt ended oddly": (report(inconclusive=["become role x"]), "VerificationInconclusive", "become role x"),
    "nothing was there to attack": (
        report(attempts={"network": 0, "postgresql": 60, "token": 0}),
        "VerificationInconclusive",
        "no network target",
    ),
    "the probe said nothing": ("", "ProbeFailed", "without a report"),
    "the probe spoke of another version": (report(version=2), "ProbeFailed", "without a report"),
    "the probe said no JSON": ("[" * 3000, "ProbeFailed", "without a report"),
}


@pytest.mark.parametrize("case", UNPROVED)
def test_it_is_unknown_and_never_true_when(case: str, stage: Stage, operator: OperatorProcess) -> None:
    message, reason, words = UNPROVED[case]
    name = stage.ready_workspace()
    told = condition(verified_as(stage, name, message, reason), TYPE)
    assert told["status"] == "Unknown"
    assert words in told["message"]


def verified_as(stage: Stage, name: str, message: str, reason: str) -> Object:
    end_pod(stage, f"ws-{name}", message)
    return stage.wait_for("Workspace", name, type_=TYPE, status="Unknown", reason=reason)


def test_a_quota_that_is_full_is_told(stage: Stage, operator: OperatorProcess) -> None:
    name = new_name()
    stage.apply_workspace(name, quota={"requests": {"cpu": "1m", "memory": "1Mi"}})
    body = stage.wait_for("Workspace", name, type_=TYPE, status="Unknown", reason="QuotaExceeded")
    assert condition(body)["status"] == "True"


def test_an_image_that_cannot_be_pulled_is_told_at_once(stage: Stage, operator: OperatorProcess) -> None:
    name = stage.ready_workspace()
    wait_for_pod(stage, f"ws-{name}")
    waiting = {"reason": "ErrImagePull", "message": "not found"}
    container = {"name": "probe", "image": "gone:1", "imageID": "", "ready": False, "restartCount": 0}
    status = {"phase": "Pending", "containerStatuses": [{**container, "state": {"waiting": waiting}}]}
    stage.api.patch("Pod", PROBE, {"status": status}, f"ws-{name}", "status")
    stage.wait_for("Workspace", name, type_=TYPE, status="Unknown", reason="ImagePullFailed")


def test_a_pod_that_a_tenant_has_changed_is_not_believed(stage: Stage, operator: OperatorProcess) -> None:
    name = stage.ready_workspace()
    wait_for_pod(stage, f"ws-{name}")
    image = {"spec": {"containers": [{"name": "probe", "image": "tenant/liar:1"}]}}
    path = f"/api/v1/namespaces/ws-{name}/pods/{PROBE}"
    stage.api.request("PATCH", path, image, "application/strategic-merge-patch+json")
    told = condition(verified_as(stage, name, report(), "ProbeFailed"), TYPE)
    assert "changed" in told["message"]


def test_a_pod_that_a_tenant_has_deleted_proves_nothing(stage: Stage, operator: OperatorProcess) -> None:
    name = stage.ready_workspace()
    wait_for_pod(stage, f"ws-{name}")
    stage.api.delete("Pod", PROBE, f"ws-{name}")
    stage.wait_for("Workspace", name, type_=TYPE, status="Unknown", reason="ProbeFailed")


def test_it_runs_again_when_asked_and_after_a_policy_was_changed_by_hand(
    stage: Stage, operator: OperatorProcess
) -> None:
    name = stage.ready_workspace()
    place = f"ws-{name}"
    verified(stage, name, "True")
    stage.wait_until_gone("Pod", PROBE, place)

    annotation = {"agentos.hyvve.io/verify-isolation": "now"}
    stage.api.patch("Workspace", name, {"metadata": {"annotations": annotation}})
    asked = wait_for_pod(stage, place)
    stage.wait_for("Workspace", name, type_=TYPE, status="Unknown", reason="VerificationPending")
    verified(stage, name, "True")

    stage.api.patch("NetworkPolicy", "agentos-openings", {"spec": {"egress": [{}]}}, place)
    wait_for_pod(stage, place, but=asked["metadata"]["uid"])
    verified(stage, name, "True")


def test_a_breach_stays_told_until_a_run_disproves_it(stage: Stage, operator: OperatorProcess) -> None:
    name = stage.ready_workspace()
    verified(stage, name, "False", report(breaches=["become role x"], breachCount=1))
    stage.wait_until_gone("Pod", PROBE, f"ws-{name}")
    stage.api.patch("Workspace", name, {"metadata": {"annotations": {"agentos.hyvve.io/verify-isolation": "1"}}})
    wait_for_pod(stage, f"ws-{name}")
    assert condition(stage.api.get("Workspace", name), TYPE)["status"] == "False"
    verified(stage, name, "True")
