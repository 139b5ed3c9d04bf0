"""``spec.preventDeletion``: the chart's policy refuses the request; without it the operator holds the deletion back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.integration.apiserver import ApiServer, Object, RefusedError, eventually
from tests.integration.operator.stage import WORKSPACE_CHILDREN, Stage, condition

pytestmark = pytest.mark.usefixtures("operator")

LABEL = "agentos.hyvve.io/prevent-deletion"
POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


@pytest.fixture
def policy(api_server: ApiServer, stage: Stage, chart: list[Object]) -> Iterator[None]:
    """The chart's policies are installed and in force."""
    policies = yaml.safe_dump_all([item for item in chart if item["kind"] in POLICIES])
    api_server.kubectl("apply", "--server-side", "-f", "-", text=policies)
    name = stage.ready_workspace(preventDeletion=True)

    def in_force() -> bool:
        found = [
            api_server.kubectl("delete", kind, each, "--dry-run=server", check=False).returncode
            for kind, each in (("workspace", name), ("namespace", f"ws-{name}"))
        ]
        return all(found)

    eventually(in_force, "both policies refuse")
    yield
    api_server.kubectl("delete", "-f", "-", text=policies)
    eventually(lambda: not in_force(), "no policy refuses any more")


def protect(stage: Stage, name: str, *, protected: bool) -> None:
    stage.api.patch("Workspace", name, {"spec": {"preventDeletion": protected}})


@pytest.mark.usefixtures("policy")
def test_the_deletion_of_a_protected_workspace_is_refused_with_what_to_do(stage: Stage) -> None:
    name = stage.ready_workspace(preventDeletion=True)
    for flags in ([], ["--cascade=foreground"], ["--cascade=orphan"], ["--force"]):
        done = stage.api.kubectl("delete", "workspace", name, *flags, check=False)
        assert f"Workspace {name} is protected: set spec.preventDeletion to false" in done.stderr, flags
    with pytest.raises(RefusedError, match=r"spec\.preventDeletion"):
        stage.api.request("DELETE", f"/apis/agentos.hyvve.io/v1alpha1/workspaces?fieldSelector=metadata.name={name}")
    assert "deletionTimestamp" not in stage.child("Workspace", "", name)["metadata"]


@pytest.mark.usefixtures("policy")
def test_the_namespace_of_a_protected_workspace_cannot_be_deleted_either(stage: Stage) -> None:
    name = stage.ready_workspace(preventDeletion=True)
    with pytest.raises(RefusedError, match=f"Namespace ws-{name} belongs to a protected Workspace"):
        stage.api.delete("Namespace", f"ws-{name}")
    assert "deletionTimestamp" not in stage.child("Namespace", "", f"ws-{name}")["metadata"]


@pytest.mark.usefixtures("policy")
def test_once_the_protection_ends_the_workspace_goes_even_at_once(stage: Stage) -> None:
    """The operator takes its label off the Namespace by itself, however soon the deletion follows."""
    name = stage.ready_workspace(preventDeletion=True)
    protect(stage, name, protected=False)
    stage.api.delete("Workspace", name)
    stage.wait_until_gone("Workspace", name)
    assert stage.api.get("Namespace", f"ws-{name}") is None


@pytest.mark.usefixtures("policy")
def test_an_unprotected_workspace_and_other_namespaces_are_deleted_as_ever(stage: Stage) -> None:
    name = stage.ready_workspace()
    stage.api.delete("Workspace", name)
    stage.wait_until_gone("Workspace", name)


def test_the_label_comes_and_goes_with_the_field_and_comes_back_when_it_is_taken_away(stage: Stage) -> None:
    name = stage.ready_workspace()

    def labelled() -> bool:
        return LABEL in stage.child("Namespace", "", f"ws-{name}")["metadata"]["labels"]

    assert not labelled()
    protect(stage, name, protected=True)
    eventually(labelled, "the Namespace is labelled")
    stage.api.patch("Namespace", f"ws-{name}", {"metadata": {"labels": {LABEL: None}}})
    eventually(labelled, "the Namespace is labelled again")
    protect(stage, name, protected=False)
    eventually(lambda: not labelled(), "the label is gone")


def test_without_the_policy_the_deletion_is_held_back_and_everything_runs_on(stage: Stage) -> None:
    name = stage.ready_workspace(preventDeletion=True, deletionPolicy="Delete")
    place = stage.available_deployment(name)
    names = stage.names(stage.child("Workspace", "", name))
    stage.api.delete("Workspace", name)
    body = stage.wait_for("Workspace", name, status="False", reason="DeletionPrevented")
    assert "Set it to false" in condition(body)["message"]
    assert condition(body, "DatabaseReady")["status"] == "True"
    for kind, child in WORKSPACE_CHILDREN:
        assert "deletionTimestamp" not in stage.child(kind, place, child)["metadata"]
    assert stage.can_log_in(place)
    stage.api.delete("Service", "support", place)
    eventually(lambda: stage.api.get("Service", "support", place) is not None, "drift is still repaired")
    assert stage.child("Deployment", place, "support")["spec"]["replicas"] == 1
    stage.serve(place)
    protect(stage, name, protected=False)
    stage.wait_until_gone("Workspace", name)
    assert not stage.has_schema(names)
