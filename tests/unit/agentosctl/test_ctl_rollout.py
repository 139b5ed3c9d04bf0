"""`agentosctl rollout`: the history as people read it, the way back, and waiting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import yaml

from agentos_operator.resources import agent_deployment as operators
from agentosctl import rollout
from agentosctl.cluster import AGENT_DEPLOYMENT, CONTROLLER_REVISION, Cluster
from agentosctl.errors import CliError
from tests.unit.agentosctl.conftest import FakeCluster, condition

Run = Callable[..., int]
PLACE = rollout.Place("acme", "support")
GOOD: dict[str, Any] = {"agents": [{"id": "support"}], "limits": {"concurrentRuns": 5, "requestBody": "1Mi"}}
BAD: dict[str, Any] = {"agents": [{"id": "broken"}], "limits": {"concurrentRuns": 5}, "image": "acme/own:2"}
KEPT = {"replicas": 4, "suspended": False, "routing": {"host": "a.example.com"}}


def rolled(cluster: FakeCluster, number: int, spec: dict[str, Any], owner: str = "u1") -> None:
    cluster.add(
        CONTROLLER_REVISION,
        f"support-{number}",
        "ws-acme",
        metadata={
            "labels": {rollout.DEPLOYMENT_LABEL: "support"},
            "ownerReferences": [{"uid": owner}],
            "creationTimestamp": f"2026-11-2{number}T12:00:00Z",
        },
        revision=number,
        data={"spec": spec},
    )


def deployed(cluster: FakeCluster, spec: dict[str, Any], *conditions: dict[str, str]) -> None:
    said = [{**each, "observedGeneration": 7} for each in conditions]
    metadata = {"uid": "u1", "generation": 7}
    cluster.add(
        AGENT_DEPLOYMENT, "support", "ws-acme", metadata=metadata, spec=spec | KEPT, status={"conditions": said}
    )


def spec_of(cluster: FakeCluster) -> dict[str, Any]:
    spec: dict[str, Any] = cluster.get(AGENT_DEPLOYMENT, "support", "ws-acme")["spec"]
    return spec


@pytest.fixture
def broken(cluster: FakeCluster) -> FakeCluster:
    """Revision 2 is what the spec says; revision 1 was good."""
    rolled(cluster, 2, BAD)
    rolled(cluster, 1, GOOD)
    deployed(cluster, BAD)
    return cluster


def test_the_history_names_what_each_revision_has_changed(
    run: Run, broken: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("rollout", "history", "acme/support") == 0
    assert capsys.readouterr().out.splitlines() == [
        "REVISION   MADE AT                CHANGES",
        "1          2026-11-21T12:00:00Z   -",
        "2          2026-11-22T12:00:00Z   agents, image, limits",
    ]


def test_a_spec_that_was_not_rolled_out_is_told_below_the_history(
    run: Run, cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled(cluster, 1, GOOD)
    deployed(cluster, GOOD | {"image": "elsewhere/own:3"})
    run("rollout", "history", "acme/support")
    assert "differs from revision 1 (image) and was not rolled out" in capsys.readouterr().out


def test_revisions_of_a_namesake_that_was_deleted_are_not_its_own(
    run: Run, cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled(cluster, 1, GOOD, owner="another")
    deployed(cluster, GOOD)
    run("rollout", "history", "acme/support")
    assert capsys.readouterr().out == "Nothing was rolled out yet.\n"


def test_one_revision_is_shown_as_yaml(run: Run, broken: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    run("rollout", "history", "acme/support", "--revision", "1")
    assert yaml.safe_load(capsys.readouterr().out) == GOOD


def test_the_difference_is_what_going_back_would_change(
    run: Run, broken: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    run("rollout", "history", "acme/support", "--revision", "1", "--diff")
    lines = capsys.readouterr().out.splitlines()
    assert {"--- the spec now", "+++ revision 1", "-image: acme/own:2", "+  requestBody: 1Mi"} <= set(lines)


def test_a_difference_to_nothing_is_refused(run: Run, broken: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rollout", "history", "acme/support", "--diff") == 1
    assert "--diff needs --revision" in capsys.readouterr().err


def test_undo_goes_back_whole_and_leaves_replicas_routing_and_suspension(run: Run, broken: FakeCluster) -> None:
    assert run("rollout", "undo", "acme/support") == 0
    assert spec_of(broken) == GOOD | KEPT, "no image is left, and limits are not merged"


def test_undo_of_what_was_never_rolled_out_goes_back_to_what_runs(run: Run, cluster: FakeCluster) -> None:
    rolled(cluster, 1, {"agents": []})
    rolled(cluster, 2, GOOD)
    deployed(cluster, BAD)
    run("rollout", "undo", "acme/support")
    assert spec_of(cluster) == GOOD | KEPT


def test_undo_goes_to_a_revision_by_its_number(run: Run, cluster: FakeCluster) -> None:
    for number, agents in enumerate("abc", 1):
        rolled(cluster, number, {"agents": [agents]})
    deployed(cluster, {"agents": ["c"]})
    run("rollout", "undo", "acme/support", "--to-revision", "1")
    assert spec_of(cluster)["agents"] == ["a"]


def test_going_back_to_what_is_there_changes_nothing(
    run: Run, broken: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    broken.denied.add(("patch", "agentdeployments"))
    assert run("rollout", "undo", "acme/support", "--to-revision", "2") == 0
    assert "nothing is to be done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--to-revision", "9"), "there is no revision 9; there are: 1, 2"), ((), "auth can-i patch agentdeployments")],
)
def test_what_cannot_be_undone_says_why(
    run: Run, broken: FakeCluster, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    broken.denied.add(("patch", "agentdeployments"))
    assert run("rollout", "undo", "acme/support", *arguments) == 1
    assert words in capsys.readouterr().err


def test_the_first_revision_has_nothing_before_it(
    run: Run, cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled(cluster, 1, GOOD)
    deployed(cluster, GOOD)
    assert run("rollout", "undo", "acme/support") == 1
    assert "no earlier revision" in capsys.readouterr().err


def test_a_change_of_somebody_else_at_the_same_moment_is_not_overwritten(
    broken: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    amend, before = broken.amend, broken.get(AGENT_DEPLOYMENT, "support", "ws-acme")

    def meanwhile(*arguments: Any) -> None:
        metadata = {**before["metadata"], "generation": 8}
        broken.objects[AGENT_DEPLOYMENT, "ws-acme", "support"] = {**before, "metadata": metadata}
        amend(*arguments)

    monkeypatch.setattr(broken, "amend", meanwhile)
    with pytest.raises(CliError, match="somebody has changed acme/support"):
        rollout.undo(broken, PLACE, None)
    assert spec_of(broken) == BAD | KEPT


@pytest.mark.parametrize("text", ["support", "acme/", "/support", "acme/support/x", "Acme/support", "ws-acme/../x"])
def test_a_place_is_a_workspace_and_a_name(run: Run, text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run("rollout", "undo", text)
    assert ended.value.code == 2


def test_the_operator_leaves_the_same_fields_out_of_a_revision() -> None:
    assert set(operators.NOT_ROLLED) == rollout.NOT_ROLLED


def waited(cluster: Cluster, limit: timedelta | None = None, seconds: float = 0) -> None:
    times = iter([0.0, *[seconds] * 9])
    rollout.wait(cluster, PLACE, limit, lambda _: None, lambda _: None, lambda: next(times))


def test_waiting_ends_when_the_newest_generation_is_ready(cluster: FakeCluster) -> None:
    def said(status: str, message: str, generation: int) -> list[dict[str, Any]]:
        return [{**condition("Ready", status, "X", message), "observedGeneration": generation}]

    courses = [said("True", "of an earlier one", 6), said("False", "1 of 2", 7), said("True", "It answers.", 7)]
    deployed(cluster, GOOD)
    told: list[str] = []

    def pause(_: float) -> None:
        cluster.get(AGENT_DEPLOYMENT, "support", "ws-acme")["status"] = {"conditions": courses.pop(0)}

    assert rollout.wait(cluster, PLACE, None, told.append, pause) == "acme/support is rolled out: It answers.\n"
    assert told == ["The operator has not seen it yet; is it running?", "1 of 2"]


def test_waiting_ends_with_the_cause_when_only_a_change_helps(cluster: FakeCluster) -> None:
    words = "unknown toolkit \x1b[31mplanted"
    said = [condition(kind, status, "X", words) for kind, status in (("Ready", "False"), ("Stalled", "True"))]
    deployed(cluster, BAD, *said)
    with pytest.raises(CliError, match="unknown toolkit") as failed:
        waited(cluster)
    assert "\x1b" not in str(failed.value), "a tenant's words move nobody's cursor"


def test_waiting_ends_at_its_limit(cluster: FakeCluster) -> None:
    deployed(cluster, GOOD, condition("Ready", "False", "Progressing", "1 of 2 pods"))
    with pytest.raises(CliError, match=r"not rolled out within 1m30s\. 1 of 2 pods"):
        waited(cluster, timedelta(seconds=90), 91)
