"""`agentosctl status` shows what exists, what is wrong with it, and what the caller may not see."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from agentosctl import lines
from agentosctl.cli import style_of
from agentosctl.cluster import AGENT_DEPLOYMENT, NAMESPACE, POD, WORKSPACE
from tests.unit.agentosctl.conftest import FakeCluster, condition

Run = Callable[..., int]
Captured = pytest.CaptureFixture[str]
LABELS = {"app.kubernetes.io/managed-by": "agentos-operator", "agentos.hyvve.io/deployment": "support"}
URL = "http://support--acme.agents.localhost:8080"


@pytest.fixture
def acme(cluster: FakeCluster) -> FakeCluster:
    status = {
        "conditions": [condition("Ready", "True", "Ready", "All is there.")],
        "database": {"server": "default", "schema": "acme_1a2b", "login": "acme_1a2b_a"},
    }
    cluster.add(WORKSPACE, "acme", spec={"displayName": "Acme Inc."}, status=status)
    cluster.add(NAMESPACE, "ws-acme", metadata={"labels": LABELS}, status={"phase": "Active"})
    ready = [condition("Ready", "True", "Ready", "1 of 1 replicas answer.")]
    cluster.add(AGENT_DEPLOYMENT, "support", "ws-acme", status={"url": URL, "conditions": ready})
    add_pod(cluster, "support-1", conditions=[{"type": "Ready", "status": "True"}])
    return cluster


def add_pod(cluster: FakeCluster, name: str, **status: Any) -> None:
    cluster.add(POD, name, "ws-acme", metadata={"labels": LABELS}, status={"phase": "Running", **status})


def shown(run: Run, capsys: Captured, *arguments: str) -> str:
    assert run("status", *arguments) == 0
    return capsys.readouterr().out


def test_a_deployment_that_was_asked_shows_the_versions_that_answer_and_which_tools_are_away(
    cluster: FakeCluster, run: Run, capsys: Captured
) -> None:
    away = condition("ToolsReachable", "False", "MCPServerUnavailable", "MCP server docs cannot be used by 1 of 1 pods")
    ready = condition("Ready", "True", "Ready", "It answers.")
    status = {"conditions": [ready, away], "runtimeVersion": "0.1.0", "agnoVersion": "3.1.10"}
    cluster.add(WORKSPACE, "acme")
    cluster.add(AGENT_DEPLOYMENT, "support", "ws-acme", status=status)
    text = " ".join(shown(run, capsys, "acme").split())
    assert "Versions runtime 0.1.0, agno 3.1.10" in text
    assert "MCPServerUnavailable: MCP server docs" in text


@pytest.mark.usefixtures("acme")
def test_a_ready_workspace_as_a_tree(run: Run, capsys: Captured) -> None:
    assert shown(run, capsys, "acme") == (
        "Workspace acme              Ready   Acme Inc.\n"
        "├─ Ready                    True    Ready: All is there.\n"
        "├─ Database default                 schema acme_1a2b, login acme_1a2b_a\n"
        "├─ Namespace ws-acme        Active\n"
        f"└─ AgentDeployment support  Ready   {URL}\n"
        "   ├─ Ready                 True    Ready: 1 of 1 replicas answer.\n"
        "   └─ Pod support-1         Ready\n"
    )


def test_all_workspaces_take_one_request_for_each_kind(acme: FakeCluster, run: Run, capsys: Captured) -> None:
    acme.add(WORKSPACE, "zeta")
    acme.add(WORKSPACE, "beta")
    text = shown(run, capsys)
    assert [line.split()[1] for line in text.splitlines() if line.startswith("Workspace")] == ["acme", "beta", "zeta"]
    assert text.count("Pod support-1") == 1
    assert len(acme.read) == 4


def test_an_unseen_workspace_asks_whether_the_operator_runs(cluster: FakeCluster, run: Run, capsys: Captured) -> None:
    cluster.add(WORKSPACE, "acme")
    text = shown(run, capsys, "acme")
    assert "is it running?" in text
    assert "Namespace ws-acme  absent" in text
    assert "not made yet" in text


def test_a_failure_is_told_in_the_operators_words(acme: FakeCluster, run: Run, capsys: Captured) -> None:
    stalled = condition("Stalled", "True", "SecretMissing", "The Secret openai does not exist: make it.")
    ready = condition("Ready", "False", "SecretMissing", "The Secret openai does not exist: make it.")
    acme.add(AGENT_DEPLOYMENT, "support", "ws-acme", status={"conditions": [ready, stalled]})
    text = shown(run, capsys, "acme")
    assert "AgentDeployment support  not Ready  SecretMissing" in text
    assert "Stalled               True       SecretMissing: The Secret openai does not exist: make it." in text


def test_what_is_being_deleted_says_so(acme: FakeCluster, run: Run, capsys: Captured) -> None:
    for item in acme.objects.values():
        item["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    text = shown(run, capsys, "acme")
    assert text.startswith("Workspace acme              Deleting  Acme Inc.")
    assert "Pod support-1         Deleting" in text


@pytest.mark.parametrize(
    ("status", "said"),
    [
        pytest.param(
            {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]},
            "ImagePullBackOff  no such image",
            id="image",
        ),
        pytest.param(
            {
                "containerStatuses": [
                    {
                        "restartCount": 3,
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                        "lastState": {"terminated": {"message": "the last words"}},
                    }
                ]
            },
            "CrashLoopBackOff  3 restarts, the last words",
            id="crash",
        ),
        pytest.param(
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "False", "message": "no node has room"}],
            },
            "Pending  no node has room",
            id="unscheduled",
        ),
        pytest.param(
            {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]},
            "Pending",
            id="starting",
        ),
        pytest.param({"phase": "Failed", "message": "evicted"}, "Failed  evicted", id="failed"),
        pytest.param({}, "not Ready", id="not answering"),
    ],
)
def test_a_pod_in_trouble_says_why(
    acme: FakeCluster, run: Run, capsys: Captured, status: dict[str, Any], said: str
) -> None:
    add_pod(acme, "support-1", **status)
    (line,) = (line for line in shown(run, capsys, "acme").splitlines() if "Pod support-1" in line)
    assert " ".join(line.split("support-1")[1].split()) == " ".join(said.split())


def test_a_tenant_sees_their_part_and_learns_which_rights_the_rest_needs(
    acme: FakeCluster, run: Run, capsys: Captured
) -> None:
    acme.denied = {("get", "workspaces"), ("get", "namespaces")}
    text = shown(run, capsys, "acme")
    assert "you may not get workspaces" in text
    assert "kubectl auth can-i get namespaces" in text
    assert URL in text


@pytest.mark.parametrize("arguments", [(), ("acme",)])
def test_parts_that_may_not_be_listed_say_so(
    acme: FakeCluster, run: Run, capsys: Captured, arguments: tuple[str, ...]
) -> None:
    acme.denied = {("list", "pods")}
    assert "you may not list pods" in shown(run, capsys, *arguments)
    acme.denied = {("list", "agentdeployments"), ("list", "namespaces")}
    assert "you may not list agentdeployments" in shown(run, capsys, *arguments)


def test_nothing_and_nobody(cluster: FakeCluster, run: Run, capsys: Captured) -> None:
    assert shown(run, capsys) == "There are no workspaces.\n"
    assert run("status", "acme") == 1
    assert capsys.readouterr().err == "agentosctl: there is no Workspace acme\n"
    cluster.denied = {("list", "workspaces")}
    assert run("status") == 1
    assert "you may not list workspaces" in capsys.readouterr().err


def test_a_tenants_message_cannot_move_the_cursor() -> None:
    text = lines.render([lines.Line("Pod", "Failed", "\x1b[2Jgone\r\n\u202eand more")], lines.Style())
    assert "\x1b" not in text
    assert text.count("\n") == 1
    assert "\u202e" not in text


def test_colours_and_branches_are_for_those_who_can_show_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert style_of(Terminal(io.BytesIO(), "utf-8")) == lines.Style(colour=True)
    assert style_of(Terminal(io.BytesIO(), "ascii")) == lines.Style(colour=True, unicode=False)
    assert style_of(io.TextIOWrapper(io.BytesIO(), "utf-8")) == lines.Style()
    monkeypatch.setenv("NO_COLOR", "1")
    assert style_of(Terminal(io.BytesIO(), "utf-8")) == lines.Style()


def test_coloured_and_plain_lines_have_the_same_letters() -> None:
    tree = lines.Line("a", "Ready", "x", lines.Mood.GOOD, [lines.Line("b", "", "y", lines.Mood.NONE)])
    coloured = lines.render([tree], lines.Style(colour=True))
    assert "\x1b[32mReady\x1b[0m" in coloured
    assert coloured.replace("\x1b[32m", "").replace("\x1b[0m", "") == lines.render([tree], lines.Style())
    assert lines.render([tree], lines.Style(unicode=False)).splitlines()[1].startswith("`- b")
