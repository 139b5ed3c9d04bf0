"""``spec.runtimeClassName`` of a Workspace reaches every pod of it, and no other."""

from __future__ import annotations

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import Stage

pytestmark = pytest.mark.usefixtures("operator")


def pod_of(stage: Stage, place: str) -> Object:
    pod: Object = stage.child("Deployment", place, "support")["spec"]["template"]["spec"]
    return pod


def test_runtimes_follow_the_class_of_their_workspace_and_a_neighbours_do_not(stage: Stage) -> None:
    sandboxed, neighbour = stage.ready_workspace(runtimeClassName="gvisor"), stage.ready_workspace()
    place, other = stage.available_deployment(sandboxed), stage.available_deployment(neighbour)
    assert pod_of(stage, place)["runtimeClassName"] == "gvisor"
    assert "runtimeClassName" not in pod_of(stage, other)
    stage.apply_workspace(sandboxed, runtimeClassName="kata")
    eventually(lambda: pod_of(stage, place).get("runtimeClassName") == "kata", "pods are to run on the new class")
    stage.apply_workspace(sandboxed)
    eventually(lambda: "runtimeClassName" not in pod_of(stage, place), "pods are to run as on any node")
