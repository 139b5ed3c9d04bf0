"""What tests of rotation play: pods that have a workspace's credentials, and time that has passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import Stage, condition

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def ask(stage: Stage, name: str, value: str, kind: str = "rotate") -> None:
    """Ask for a rotation as a person does, by ``rotate``, ``rotate-database`` or ``rotate-jwt``."""
    stage.api.patch("Workspace", name, {"metadata": {"annotations": {f"agentos.hyvve.io/{kind}": value}}})


def start_pod(stage: Stage, place: str, name: str, deployment: str = "support") -> None:
    """A pod of the Deployment as it is now; its finalizer keeps it while it is ending, as a node does."""
    template = stage.child("Deployment", place, deployment)["spec"]["template"]["metadata"]
    metadata = {**template, "name": name, "namespace": place, "finalizers": ["example.com/busy"]}
    containers = [{"name": "runtime", "image": "x", "securityContext": RESTRICTED}]
    spec = {"automountServiceAccountToken": False, "containers": containers}
    stage.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def stop_pod(stage: Stage, place: str, name: str) -> None:
    """The pod is told to end, and has not ended."""
    stage.api.request("DELETE", f"/api/v1/namespaces/{place}/pods/{name}?gracePeriodSeconds=0")


def end_pod(stage: Stage, place: str, name: str) -> None:
    """The pod is gone."""
    stage.api.patch("Pod", name, {"metadata": {"finalizers": None}}, place)
    stage.api.delete("Pod", name, place)
    stage.wait_until_gone("Pod", name, place)


def pods_id(stage: Stage, place: str, purpose: str) -> str:
    """The id that new pods of the Deployment carry."""
    template = stage.child("Deployment", place, "support")["spec"]["template"]
    return str(template["metadata"]["annotations"][f"agentos.hyvve.io/{purpose}-credentials-id"])


def wait_for_step(stage: Stage, name: str, field: str, step: str | None) -> Object:
    """The Workspace, once its rotation stands at this step; None for no rotation."""
    last: Object = {}

    def stands() -> bool:
        last.clear()
        last.update(stage.child("Workspace", "", name))
        found = last.get("status", {}).get(field, {}).get("rotation", {})
        return bool(found.get("step") == step)

    eventually(stands, f"{field} of {name} stands at {step}", timeout=45)
    return last


def wait_until_handled(stage: Stage, name: str, field: str, value: str) -> Object:
    """The Workspace, once the rotation that ``value`` asked for has begun and ended."""
    last: Object = {}

    def ended() -> bool:
        last.clear()
        last.update(stage.child("Workspace", "", name))
        found = last.get("status", {}).get(field, {}).get("rotation", {})
        return value in found.get("handledRequests", ()) and "step" not in found

    eventually(ended, f"{field} of {name} has handled {value}", timeout=45)
    return last


def age(stage: Stage, place: str, secret: str, annotation: str, by: timedelta) -> None:
    """Let time pass for one of the times that a Secret keeps, and have the operator look."""
    past = (datetime.now(UTC) - by).strftime("%Y-%m-%dT%H:%M:%SZ")
    stage.api.patch("Secret", secret, {"metadata": {"annotations": {f"agentos.hyvve.io/{annotation}": past}}}, place)
    nudge(stage, place.removeprefix("ws-"))


def age_to_step(stage: Stage, place: str, by: timedelta, step: str | None) -> Object:
    """The Workspace, once its signing secret stands at ``step`` because the switch was so long ago.

    A reconciliation that had read the Secret before may write the time back that it knew; so it is aged again.
    """
    last: Object = {}

    def stands() -> bool:
        last.clear()
        last.update(stage.child("Workspace", "", place.removeprefix("ws-")))
        arrived: bool = last.get("status", {}).get("auth", {}).get("rotation", {}).get("step") == step
        if not arrived:
            age(stage, place, "agentos-jwt", "signer-switched-at", by)
        return arrived

    eventually(stands, f"the signing secret stands at {step}", timeout=45)
    return last


def nudge(stage: Stage, name: str) -> None:
    """Have the operator look: Secrets are not watched, and a resync is minutes away."""
    stamp = datetime.now(UTC).isoformat()
    stage.api.patch("Workspace", name, {"metadata": {"annotations": {"example.com/nudge": stamp}}})


def works(url: str) -> bool:
    """Whether PostgreSQL lets this login in."""
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def rotating(body: Object) -> str:
    """What the condition Rotating says; empty when there is none."""
    return str(condition(body, "Rotating").get("message", ""))
