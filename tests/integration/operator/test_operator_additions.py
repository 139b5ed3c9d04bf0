"""What others put into objects of ours goes again, whoever they are and however they hide it; what belongs stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import OperatorProcess, Stage

pytestmark = pytest.mark.usefixtures("operator")


def pod(**fields: Any) -> Object:
    """A change to the pods of the Deployment."""
    return {"spec": {"template": {"spec": fields}}}


def runtime(**fields: Any) -> Object:
    """A change to the runtime's container; strategic merge finds it by its name."""
    return pod(containers=[{"name": "runtime", **fields}])


EVIL = {"name": "evil", "image": "evil.example/miner"}
ADDITIONS: dict[str, tuple[str, str, Object]] = {
    "an outside address of the Service": ("Service", "support", {"spec": {"externalIPs": ["203.0.113.7"]}}),
    "traffic kept by a Service": ("Service", "support", {"spec": {"publishNotReadyAddresses": True}}),
    "another port of the Service": ("Service", "support", {"spec": {"ports": [{"name": "x", "port": 99}]}}),
    "the host's network": ("Deployment", "support", pod(hostNetwork=True)),
    "the host's processes": ("Deployment", "support", pod(hostPID=True)),
    "another ServiceAccount": ("Deployment", "support", pod(serviceAccountName="other")),
    "a toleration": ("Deployment", "support", pod(tolerations=[{"operator": "Exists"}])),
    "a node of somebody's choice": ("Deployment", "support", pod(nodeName="there")),
    "a second container": ("Deployment", "support", pod(containers=[EVIL])),
    "an init container": ("Deployment", "support", pod(initContainers=[EVIL])),
    "a folder of the host": (
        "Deployment",
        "support",
        pod(volumes=[{"name": "host", "hostPath": {"path": "/"}}]),
    ),
    "a priority": ("Deployment", "support", pod(priorityClassName="system-node-critical")),
    "a host alias": (
        "Deployment",
        "support",
        pod(hostAliases=[{"ip": "203.0.113.7", "hostnames": ["api.openai.com"]}]),
    ),
    "a variable": ("Deployment", "support", runtime(env=[{"name": "PYTHONSTARTUP", "value": "/tmp/x.py"}])),
    "a variable in place of ours": (
        "Deployment",
        "support",
        runtime(env=[{"name": "AGENTOS_DATABASE_URL", "value": "postgresql://evil.example", "valueFrom": None}]),
    ),
    "variables of a whole Secret": ("Deployment", "support", runtime(envFrom=[{"secretRef": {"name": "agentos-jwt"}}])),
    "another command": ("Deployment", "support", runtime(command=["sh", "-c", "env"])),
    "a capability": (
        "Deployment",
        "support",
        runtime(securityContext={"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}),
    ),
    "a label of the pods": (
        "Deployment",
        "support",
        {"spec": {"template": {"metadata": {"labels": {"app": "somebody-elses-service"}}}}},
    ),
    "a pause of the roll-out": ("Deployment", "support", {"spec": {"paused": True}}),
    "an opening for everybody": ("NetworkPolicy", "agentos-default-deny", {"spec": {"ingress": [{}], "egress": [{}]}}),
    "a further number of the quota": ("ResourceQuota", "agentos-operator", {"spec": {"hard": {"count/secrets": "0"}}}),
    "another limit": (
        "LimitRange",
        "agentos-operator",
        {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "1m"}}]}},
    ),
    "another member": (
        "RoleBinding",
        "agentos-operator",
        {"subjects": [{"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"}]},
    ),
    "a budget that keeps nodes from being drained": (
        "PodDisruptionBudget",
        "support",
        {"spec": {"maxUnavailable": None, "minAvailable": "100%"}},
    ),
}


@pytest.fixture(scope="module")
def place(stage: Stage, operator: OperatorProcess) -> str:
    return stage.available_deployment(stage.ready_workspace())


def state(body: Object) -> Object:
    return {key: value for key, value in body.items() if key not in ("metadata", "status")}


def patched(stage: Stage, kind: str, name: str, place: str, change: Object) -> None:
    done = stage.api.kubectl(
        *("patch", kind.lower(), name, "-n", place, "--type=strategic", "-p", json.dumps(change)),
        "--field-manager=somebody-else",
    )
    assert "no change" not in done.stdout


def is_back(stage: Stage, kind: str, name: str, place: str, before: Object) -> None:
    eventually(lambda: state(stage.child(kind, place, name)) == state(before), f"{kind} {name} is as before", 30)


@pytest.mark.parametrize("what", ADDITIONS)
def test_what_somebody_adds_is_taken_out(stage: Stage, place: str, what: str) -> None:
    kind, name, change = ADDITIONS[what]
    before = stage.child(kind, place, name)
    patched(stage, kind, name, place, change)
    is_back(stage, kind, name, place, before)


@pytest.mark.parametrize("managed", [[{}], "ours"], ids=["nobody owns it", "we seem to own it"])
def test_an_addition_whose_owner_is_hidden_is_taken_out_all_the_same(stage: Stage, place: str, managed: Any) -> None:
    before = stage.child("Service", place, "support")
    if managed == "ours":
        managed = [each for each in before["metadata"]["managedFields"] if each["manager"] == "agentos-operator"]
    change = {"metadata": {"managedFields": managed}, "spec": {"externalIPs": ["203.0.113.8"]}}
    stage.api.patch("Service", "support", change, place)
    is_back(stage, "Service", "support", place, before)


def test_an_addition_from_a_time_without_operator_is_taken_out_when_it_is_back(stage: Stage) -> None:
    place = stage.available_deployment(stage.ready_workspace())
    before = stage.child("Service", place, "support")
    stage.started[-1].kill()
    patched(stage, "Service", "support", place, {"spec": {"externalIPs": ["203.0.113.9"]}})
    stage.api.delete("Lease", "agentos-operator", "agentos-system")
    stage.start(resyncSeconds=600)
    is_back(stage, "Service", "support", place, before)


def test_a_secret_that_somebody_sealed_with_another_value_is_made_anew(stage: Stage, place: str) -> None:
    before = stage.secret("agentos-database", place)
    change = {"immutable": True, "data": {"url": "cGxhbnRlZA=="}}
    stage.api.patch("Secret", "agentos-database", change, place)
    stage.api.patch("Workspace", place.removeprefix("ws-"), {"metadata": {"annotations": {"look": "sealed"}}})

    def remade() -> bool:
        found = stage.api.get("Secret", "agentos-database", place)
        return found is not None and "immutable" not in found  # for a moment there is none

    eventually(remade, "there is one that can be changed")
    eventually(lambda: stage.secret("agentos-database", place) == before, "the values are as before")


def test_a_restart_of_the_pods_that_an_administrator_asked_for_stays(stage: Stage, place: str) -> None:
    stage.api.kubectl("rollout", "restart", "deployment/support", "-n", place)
    key = "kubectl.kubernetes.io/restartedAt"

    def restarted() -> str:
        template = stage.child("Deployment", place, "support")["spec"]["template"]
        return str(template["metadata"]["annotations"].get(key, ""))

    at = restarted()
    patched(stage, "Deployment", "support", place, pod(hostNetwork=True))
    spec = stage.child("Deployment", place, "support")["spec"]
    eventually(
        lambda: "hostNetwork" not in stage.child("Deployment", place, "support")["spec"]["template"]["spec"],
        "the addition is gone",
    )
    assert at == restarted() != ""
    assert spec["replicas"] == 1


def test_what_controllers_write_as_part_of_their_work_stays_and_is_not_fought(stage: Stage, place: str) -> None:
    annotation = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "7"}}}
    stage.api.patch("Deployment", "support", annotation, place)
    stage.api.patch("Deployment", "support", {"status": {"observedGeneration": 99}}, place, "status")
    version = stage.child("Deployment", place, "support")["metadata"]["resourceVersion"]
    patched(stage, "Service", "support", place, {"spec": {"externalIPs": ["203.0.113.10"]}})
    eventually(lambda: "externalIPs" not in stage.child("Service", place, "support")["spec"], "others are repaired")
    after = stage.child("Deployment", place, "support")["metadata"]
    assert (after["annotations"]["deployment.kubernetes.io/revision"], after["resourceVersion"]) == ("7", version)
