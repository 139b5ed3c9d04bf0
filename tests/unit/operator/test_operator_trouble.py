"""Why an AgentDeployment does not answer: what Kubernetes and the runtime say becomes a reason and a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentos_operator import reasons
from agentos_operator.reconcile.pods import LONGEST_MESSAGE, Trouble, find_trouble, image_digests
from agentos_operator.reconcile.rollout import available_aspect, is_rolled_out, route_aspect
from agentos_operator.settings import Routing

Object = dict[str, Any]


def pod(container: Object | None = None, created: str = "2026-11-23T12:00:00Z", **metadata: Any) -> Object:
    """A pod with one container that is not ready unless it says so."""
    body: Object = {"metadata": {"name": "p", "creationTimestamp": created, **metadata}, "status": {}}
    if container is not None:
        body["status"]["containerStatuses"] = [{"name": "runtime", "image": "example.com/i:1", **container}]
    return body


def ended(code: int, message: str | None = None, reason: str = "Error", *, restarted: bool = False) -> Object:
    """A container that ended, and perhaps waits for its restart."""
    terminated = {"exitCode": code, "reason": reason} | ({} if message is None else {"message": message})
    if restarted:
        return {
            "lastState": {"terminated": terminated},
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        }
    return {"state": {"terminated": terminated}}


def waits(reason: str, message: str = "") -> Object:
    """A container that has not started."""
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def only(*pods: Object) -> Trouble:
    """The trouble of these pods."""
    trouble = find_trouble(pods)
    assert trouble is not None
    return trouble


DIGESTS = [f"sha256:{letter * 64}" for letter in "ab"]


@pytest.mark.parametrize(
    "image_id", ["registry.example.com/agents/one@{}", "docker-pullable://registry.example.com/agents/one@{}", "{}"]
)
def test_the_version_is_the_digest_in_whatever_form_the_node_tells_it(image_id: str) -> None:
    assert image_digests([pod({"ready": True, "imageID": image_id.format(DIGESTS[0])})]) == DIGESTS[:1]


def test_two_versions_that_answer_are_both_told_and_each_once() -> None:
    answering = [pod({"ready": True, "imageID": f"one@{digest}"}) for digest in (*reversed(DIGESTS), *DIGESTS)]
    assert image_digests(answering) == DIGESTS


@pytest.mark.parametrize("container", [{"ready": False, "imageID": f"one@{DIGESTS[0]}"}, {"ready": True}])
def test_what_does_not_answer_or_was_not_pulled_has_no_version(container: Object) -> None:
    assert image_digests([pod(container), pod()]) == []


LAST_WORDS = json.dumps({"reason": "UnknownToolkit", "message": "spec.agents[0]: no toolkit 'x'; see the list."})


@pytest.mark.parametrize("restarted", [False, True])
def test_a_runtime_that_cannot_use_its_spec_says_why_in_its_own_words(restarted: bool) -> None:
    trouble = only(pod(ended(78, LAST_WORDS, restarted=restarted)))
    assert trouble == Trouble("UnknownToolkit", "spec.agents[0]: no toolkit 'x'; see the list.", stalled=True)


@pytest.mark.parametrize("reason", sorted(reasons.RUNTIME_REASONS))
def test_every_reason_of_the_runtime_is_understood(reason: str) -> None:
    assert only(pod(ended(78, json.dumps({"reason": reason, "message": "m"})))).reason == reason


@pytest.mark.parametrize(
    "message",
    [
        "",
        "not JSON",
        "null",
        "[]",
        '"UnknownToolkit"',
        "NaN",
        "{}",
        '{"reason": "Ready", "message": "all is well"}',
        '{"reason": "UnknownToolkit\\nReady", "message": "m"}',
        '{"reason": [], "message": "m"}',
        '{"reason": {"a": 1}, "message": "m"}',
        '{"reason": null}',
        "[" * 4096,
        '{"a":' * 800,
        "1" * 4096,
        '{"reason": "InvalidSpec", "message": "m"',
    ],
)
def test_last_words_that_are_no_honest_reason_count_as_a_failed_container(message: str) -> None:
    trouble = only(pod(ended(78, message)))
    assert trouble.reason == reasons.CONTAINER_FAILED
    assert not trouble.stalled
    assert len(trouble.message) < LONGEST_MESSAGE + 100


@pytest.mark.parametrize("message", [{"deep": ["x"]}, 7, None, "x" * 4000, "one\ntwo\r\n\tthree", "\ud800"])
def test_a_message_of_any_kind_becomes_one_bounded_line_that_can_be_stored(message: object) -> None:
    trouble = only(pod(ended(78, json.dumps({"reason": "InvalidSpec", "message": message}))))
    assert trouble.reason == "InvalidSpec"
    assert len(trouble.message) <= LONGEST_MESSAGE
    assert not set(trouble.message) & set("\n\r\t")
    trouble.message.encode()


def test_a_runtime_reason_with_another_exit_code_is_not_believed() -> None:
    assert only(pod(ended(1, LAST_WORDS))).reason == reasons.CONTAINER_FAILED


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (ended(137, reason="OOMKilled", restarted=True), ("137", "OOMKilled", "the pod's log")),
        (ended(1, "Traceback", restarted=True), ("exit code 1", "Traceback")),
        (ended(0, reason="Completed"), ("exit code 0",)),
    ],
)
def test_a_container_that_ends_again_and_again_names_its_exit_code(container: Object, words: tuple[str, ...]) -> None:
    trouble = only(pod(container))
    assert (trouble.reason, trouble.stalled) == (reasons.CONTAINER_FAILED, False)
    assert all(word in trouble.message for word in words)


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"])
def test_an_image_that_cannot_be_pulled_is_named(reason: str) -> None:
    trouble = only(pod(waits(reason, "manifest unknown")))
    assert (trouble.reason, trouble.stalled) == (reasons.IMAGE_PULL_FAILED, True)
    assert "example.com/i:1" in trouble.message
    assert "manifest unknown" in trouble.message


def test_a_container_that_cannot_be_configured_says_what_is_missing() -> None:
    trouble = only(pod(waits("CreateContainerConfigError", 'secret "x" not found')))
    assert trouble.reason == reasons.CONTAINER_FAILED
    assert 'CreateContainerConfigError): secret "x" not found' in trouble.message


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_container_on_its_way_is_no_trouble(reason: str) -> None:
    assert find_trouble([pod(waits(reason))]) is None


def test_a_pod_that_just_began_or_runs_is_no_trouble() -> None:
    assert find_trouble([]) is None
    assert find_trouble([pod()]) is None
    assert find_trouble([pod({"state": {"running": {}}})]) is None
    assert find_trouble([pod({"ready": True, "lastState": ended(1)["state"]})]) is None, "it recovered"


def test_a_pod_that_finds_no_node_repeats_the_schedulers_words() -> None:
    body = pod()
    body["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "0/1: Insufficient cpu."}]
    trouble = only(body)
    assert (trouble.reason, trouble.stalled) == (reasons.UNSCHEDULABLE, False)
    assert "Insufficient cpu" in trouble.message


def test_the_newest_pod_speaks_because_it_carries_the_newest_spec() -> None:
    old = pod(ended(1), created="2026-11-23T11:00:00Z")
    new = pod(waits("ImagePullBackOff"), created="2026-11-23T12:00:00Z")
    assert only(old, new).reason == only(new, old).reason == reasons.IMAGE_PULL_FAILED


def test_an_older_pod_speaks_when_the_newest_is_well_and_a_leaving_one_never() -> None:
    old = pod(ended(1), created="2026-11-23T11:00:00Z")
    new = pod({"ready": True}, created="2026-11-23T12:00:00Z")
    assert only(old, new).reason == reasons.CONTAINER_FAILED
    old["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:01Z"
    assert find_trouble([old, new]) is None


def deployment(wanted: int = 2, **status: Any) -> Object:
    """A Deployment of generation 3."""
    return {"metadata": {"generation": 3}, "spec": {"replicas": wanted}, "status": {"observedGeneration": 3, **status}}


ROLLED_OUT = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}


def test_all_pods_of_the_newest_revision_answer() -> None:
    aspect = available_aspect(deployment(**ROLLED_OUT), None)
    assert aspect.holds is True
    assert aspect.message == "2 of 2 pods answer."


@pytest.mark.parametrize(
    "change",
    [
        {"observedGeneration": 2},
        {"replicas": 3},
        {"updatedReplicas": 1},
        {"availableReplicas": 1},
    ],
)
def test_a_roll_out_is_not_over_before_every_count_says_so(change: Object) -> None:
    body = deployment(**(ROLLED_OUT | change))
    assert not is_rolled_out(body)
    aspect = available_aspect(body, None)
    assert (aspect.holds, aspect.reason, aspect.stalled) == (False, reasons.PROGRESSING, False)
    assert "2 pods answer meanwhile" in aspect.message


def test_a_deployment_that_no_controller_has_seen_is_progressing() -> None:
    body: Object = {"metadata": {"generation": 1}, "spec": {"replicas": 1}}
    assert available_aspect(body, None).message == "0 of 1 pods are of the newest revision."


def test_scaled_to_zero_is_said_to_be_so_and_not_a_fault() -> None:
    aspect = available_aspect(deployment(0), None)
    assert (aspect.holds, aspect.reason, aspect.stalled) == (False, reasons.SCALED_TO_ZERO, False)
    assert "spec.replicas" in aspect.message


def test_the_trouble_of_a_pod_is_told_together_with_what_still_answers() -> None:
    trouble = Trouble(reasons.IMAGE_PULL_FAILED, "Image x cannot be pulled.", stalled=True)
    aspect = available_aspect(deployment(updatedReplicas=1, readyReplicas=2), trouble)
    assert (aspect.reason, aspect.stalled) == (reasons.IMAGE_PULL_FAILED, True)
    assert aspect.message == "Image x cannot be pulled. 2 pods answer meanwhile."


@pytest.mark.parametrize(
    ("message", "reason", "advice"),
    [
        (
            'pods "x" is forbidden: exceeded quota: agentos-operator, requested: limits.cpu=9, limited: limits.cpu=8',
            reasons.QUOTA_EXCEEDED,
            "Raise spec.quota of the Workspace or lower spec.resources.",
        ),
        (
            'pods "x" is forbidden: pod rejected: RuntimeClass "gvisor" not found',
            reasons.POD_REFUSED,
            "Create the RuntimeClass, or correct spec.runtimeClassName of the Workspace.",
        ),
        ('pods "x" is forbidden: violates PodSecurity "restricted:v1.31"', reasons.POD_REFUSED, ""),
    ],
)
def test_a_pod_that_the_api_server_refuses_is_explained(message: str, reason: str, advice: str) -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": message}
    aspect = available_aspect(deployment(conditions=[failure]), None)
    assert (aspect.reason, aspect.stalled) == (reason, True)
    assert message in aspect.message
    assert advice in aspect.message


def test_a_replica_failure_that_is_over_is_not_told() -> None:
    failure = {"type": "ReplicaFailure", "status": "False", "message": "exceeded quota"}
    assert available_aspect(deployment(conditions=[failure]), None).reason == reasons.PROGRESSING


def route(*parents: Object) -> Object:
    """An HTTPRoute with what gateways said about it."""
    return {
        "metadata": {"generation": 2},
        "spec": {"parentRefs": [{"namespace": "agentos-gateway", "name": "agentos"}]},
        "status": {"parents": list(parents)},
    }


ROUTING = Routing(base_domain="agents.example.com", source_namespaces=("gateways",))


def parent(gateway: str = "agentos", generation: int = 2, **conditions: str) -> Object:
    """What one gateway says, by condition."""
    return {
        "parentRef": {"namespace": "agentos-gateway", "name": gateway},
        "conditions": [
            {"type": type_, "status": status, "message": f"{type_} is {status}.", "observedGeneration": generation}
            for type_, status in conditions.items()
        ],
    }


@pytest.mark.parametrize("said", [parent(Accepted="True"), parent(Accepted="True", ResolvedRefs="True")])
def test_a_route_that_a_gateway_accepted_holds(said: Object) -> None:
    assert route_aspect(route(said), ROUTING).holds is True


@pytest.mark.parametrize("said", [parent(Accepted="True", generation=1), parent("another", Accepted="True")])
def test_what_was_said_of_an_earlier_route_or_by_another_gateway_is_no_answer(said: Object) -> None:
    assert route_aspect(route(said), ROUTING).holds is False


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((parent(Accepted="False"),), "Accepted is False."),
        ((parent(Accepted="True", ResolvedRefs="False"),), "ResolvedRefs is False."),
        ((parent(Accepted="Unknown"),), "No controller has answered"),
        ((), "see that the Gateway exists"),
    ],
)
def test_a_route_that_no_gateway_accepted_names_the_gateway_and_what_it_said(
    said: tuple[Object, ...], words: str
) -> None:
    aspect = route_aspect(route(*said), ROUTING)
    assert (aspect.holds, aspect.reason) == (False, reasons.ROUTE_NOT_ACCEPTED)
    assert words in aspect.message
    assert "agentos-gateway/agentos" in aspect.message


def test_a_cluster_without_gateway_api_is_told_what_to_install_or_set() -> None:
    aspect = route_aspect(None, ROUTING)
    assert (aspect.holds, aspect.reason, aspect.stalled) == (False, reasons.GATEWAY_API_ABSENT, True)
    assert "routing.mode" in aspect.message


def test_an_ingress_holds_once_a_controller_has_published_its_address() -> None:
    routing = ROUTING.model_copy(update={"mode": "Ingress"})
    waiting = route_aspect({"spec": {}, "status": {"loadBalancer": {}}}, routing)
    assert (waiting.holds, waiting.reason) == (False, reasons.ROUTE_NOT_ACCEPTED)
    assert "IngressClass" in waiting.message
    assert route_aspect({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}, routing).holds is True


def test_a_pod_of_an_older_revision_explains_nothing() -> None:
    waits = {"state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
    old = pod(waits, labels={"pod-template-hash": "old"})
    new = pod({"state": {"running": {}}}, "2026-11-23T13:00:00Z", labels={"pod-template-hash": "new"})
    assert find_trouble([old]) is not None
    assert find_trouble([old, new]) is None


def test_a_pod_that_could_not_be_made_goes_before_those_that_exist() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
    deployment = {"metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": {"conditions": [failure]}}
    aspect = available_aspect(deployment, Trouble(reasons.IMAGE_PULL_FAILED, "an older pod", stalled=True))
    assert aspect.reason == reasons.QUOTA_EXCEEDED
