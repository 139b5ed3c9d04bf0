"""`agentosctl rotate`: what it asks for, and when it says that the rotation has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentosctl import rotate
from agentosctl.cluster import WORKSPACE
from agentosctl.errors import CliError
from tests.unit.agentosctl.conftest import FakeCluster, condition

Run = Callable[..., int]
DATABASE, JWT = rotate.ANNOTATIONS["database"], rotate.ANNOTATIONS["auth"]


def asked_for(cluster: FakeCluster) -> dict[str, str]:
    found: dict[str, str] = cluster.get(WORKSPACE, "acme")["metadata"].get("annotations", {})
    return found


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        ((), {DATABASE, JWT}),
        (("--database",), {DATABASE}),
        (("--jwt",), {JWT}),
        (("--jwt", "--database"), {DATABASE, JWT}),
    ],
)
def test_it_asks_for_what_was_named_and_for_both_otherwise(
    run: Run, cluster: FakeCluster, flags: tuple[str, ...], asked: set[str]
) -> None:
    cluster.add(WORKSPACE, "acme", metadata={"annotations": {"other": "kept"}})
    assert run("rotate", "acme", *flags) == 0
    assert asked_for(cluster).keys() == {"other", *asked}


def test_asking_again_asks_for_another_rotation(run: Run, cluster: FakeCluster) -> None:
    cluster.add(WORKSPACE, "acme")
    run("rotate", "acme")
    first = asked_for(cluster)[DATABASE]
    run("rotate", "acme")
    assert asked_for(cluster)[DATABASE] != first


def test_a_workspace_that_does_not_exist(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rotate", "acme") == 1
    assert "there is no Workspace acme" in capsys.readouterr().err


def test_without_the_right_it_says_which_one(
    run: Run, cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.add(WORKSPACE, "acme")
    cluster.denied.add(("patch", "workspaces"))
    assert run("rotate", "acme") == 1
    assert "kubectl auth can-i patch workspaces.agentos.hyvve.io" in capsys.readouterr().err


def state(step: str | None, *handled: str) -> dict[str, Any]:
    """Status of one credential."""
    return {"rotation": {"handledRequests": list(handled), **({"step": step} if step else {})}}


ASKED = rotate.Asked("acme", "now", ("database", "auth"))


@pytest.mark.parametrize(
    ("database", "auth", "pending"),
    [
        ({}, {}, ["database", "auth"]),
        (state(None, "before"), state(None, "before"), ["database", "auth"]),
        (state("MovingPods", "now"), state("AddingVerifier", "before"), ["database", "auth"]),
        (state(None, "now"), state("WaitingForOldTokens", "now"), ["auth"]),
        (state(None, "now"), state(None, "now"), []),
    ],
)
def test_a_rotation_has_ended_when_the_request_was_handled_and_no_step_is_left(
    database: dict[str, Any], auth: dict[str, Any], pending: list[str]
) -> None:
    workspace = {"metadata": {}, "status": {"database": database, "auth": auth}}
    assert list(rotate.pending(workspace, ASKED)) == pending


def test_waiting_tells_each_change_once_and_returns_at_the_end(cluster: FakeCluster) -> None:
    waits = [condition("Rotating", "True", "WaitingForPods", f"waits for {pod}") for pod in ("a", "a", "b")]
    courses: list[dict[str, Any]] = [
        *({"database": state("MovingPods", "now"), "auth": state(None, "now"), "conditions": [each]} for each in waits),
        {"database": state(None, "now"), "auth": state(None, "now")},
    ]
    told: list[str] = []

    def pause(_: float) -> None:
        cluster.get(WORKSPACE, "acme")["status"] = courses.pop(0)

    cluster.add(WORKSPACE, "acme", status=courses.pop(0))
    assert "new credentials" in rotate.wait(cluster, ASKED, told.append, pause)
    assert told == ["waits for a", "waits for b"]


def test_waiting_says_what_keeps_the_operator_from_beginning(cluster: FakeCluster) -> None:
    ready = condition("Ready", "False", "DatabaseUnavailable", "PostgreSQL is away.")
    assert "PostgreSQL is away." in rotate.waits_for({"status": {"conditions": [ready]}})
    assert "is it running?" in rotate.waits_for({})


def test_a_workspace_that_is_being_deleted_is_not_waited_for(cluster: FakeCluster) -> None:
    cluster.add(WORKSPACE, "acme", metadata={"deletionTimestamp": "2026-11-23T12:00:00Z"})
    with pytest.raises(CliError, match="being deleted"):
        rotate.wait(cluster, ASKED, lambda _: None, lambda _: None)
