"""What the operator makes of a probe's report, when it runs another, and whom it leaves out as granted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from agentos_operator.clients.kinds import Kind
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.ledger import Ledger
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.isolation import targets
from agentos_operator.reconcile.isolation.memory import IsolationMemory, Place
from agentos_operator.reconcile.isolation.report import judge, read_report
from agentos_operator.reconcile.isolation.schedule import is_due, lacks_tokens
from agentos_operator.resources.workspace import Workspace, parse_workspace
from agentos_operator.settings import Settings

Object = dict[str, Any]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
INTERVAL = timedelta(hours=6)
CASE = Path(__file__).parent / "golden" / "a-workspace-with-every-default" / "input.yaml"
REPORT = {
    "version": 1,
    "attempts": {"network": 5, "postgresql": 60, "token": 16},
    "breaches": [],
    "breachCount": 0,
    "inconclusive": [],
    "failedControls": [],
    "cpuSeconds": 0.3,
}


def verdict(**changes: Any) -> tuple[bool | None, str]:
    report = read_report(json.dumps({**REPORT, **changes}))
    assert report is not None
    found = judge(report, "now")
    return found.holds, found.reason


def test_attempts_that_all_failed_prove_isolation_only_with_targets_and_controls() -> None:
    assert verdict() == (True, "Isolated")
    assert verdict(failedControls=["dns"]) == (None, "VerificationInconclusive")
    assert verdict(inconclusive=["x"]) == (None, "VerificationInconclusive")
    assert verdict(attempts={"network": 0, "postgresql": 60, "token": 0}) == (None, "VerificationInconclusive")
    assert verdict(attempts={"network": 5, "postgresql": 0, "token": 0}) == (None, "VerificationInconclusive")


def test_a_breach_outweighs_whatever_else_went_wrong() -> None:
    assert verdict(breaches=["x"], breachCount=1, failedControls=["dns"]) == (False, "IsolationBreached")


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "1" * 4096, "[" * 4096, json.dumps({**REPORT, "version": 9}), '{"version": 1}']
)
def test_words_that_are_no_report_are_none(text: str) -> None:
    assert read_report(text) is None


def workspace_body(age: timedelta, status: str = "True", reason: str = "Isolated", tokens: int = 16) -> Object:
    ran = (NOW - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"type": "IsolationVerified", "status": status, "reason": reason}
    isolation = {"lastRun": ran, "fingerprint": "same", "tokenAttempts": tokens}
    return {"metadata": {"uid": "some-uid"}, "status": {"conditions": [told], "isolation": isolation}}


def test_it_is_due_after_the_interval_after_a_change_and_never_before() -> None:
    assert is_due({"metadata": {"uid": "u"}}, "same", NOW, INTERVAL)
    assert not is_due(workspace_body(timedelta(hours=5)), "same", NOW, INTERVAL)
    assert is_due(workspace_body(timedelta(hours=7)), "same", NOW, INTERVAL)
    assert is_due(workspace_body(timedelta(minutes=1)), "other", NOW, INTERVAL)


def test_what_proved_nothing_is_due_again_soon_but_not_at_once() -> None:
    unknown = ("Unknown", "ProbeFailed")
    assert not is_due(workspace_body(timedelta(minutes=5), *unknown), "same", NOW, INTERVAL)
    assert is_due(workspace_body(timedelta(minutes=11), *unknown), "same", NOW, INTERVAL)
    assert is_due(workspace_body(timedelta(minutes=1), "Unknown", "VerificationPending"), "same", NOW, INTERVAL)


def test_a_run_without_a_runtime_is_repeated_when_there_may_be_one() -> None:
    assert lacks_tokens(workspace_body(timedelta(minutes=11), tokens=0), NOW)
    assert not lacks_tokens(workspace_body(timedelta(minutes=1), tokens=0), NOW)
    assert not lacks_tokens(workspace_body(timedelta(hours=1)), NOW)


class Cluster:
    """Runtimes and Services of workspaces, and the API server's own addresses."""

    def __init__(self, api_server: str = "10.0.0.2") -> None:
        self.api_server = api_server

    async def list(self, kind: Kind, namespace: str, labels: object) -> list[Object]:
        ready = {"type": "Ready", "status": "True"}
        pod = {"metadata": {"labels": {"app.kubernetes.io/instance": "support"}}}
        address = {"ws-acme": "10.1.0.1", "ws-globex": "10.1.0.2"}[namespace]
        return [pod | {"status": {"podIP": address, "conditions": [ready]}}]

    async def find(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        if kind.kind == "Service":
            return {"spec": {"clusterIP": "10.2.0.2"}}
        if kind.kind == "EndpointSlice":
            return {"endpoints": [{"addresses": [self.api_server]}], "ports": [{"port": 6443}]}
        names = {"server": "default", "schema": "ws_2", "owner": "ws_2_owner", "login": "ws_2_a"}
        return {"status": {"database": names}}


@pytest.fixture
def given() -> Object:
    """The plainest golden case."""
    document: Object = yaml.safe_load(CASE.read_text())
    return document


async def tried(
    given: Object, monkeypatch: pytest.MonkeyPatch, cluster: Cluster | None = None, **network: Any
) -> Object:
    """The targets for workspace acme, whose neighbour is globex."""

    async def is_open(host: str, port: int) -> bool:
        return host != "fd00:ec2::254"

    monkeypatch.setattr(targets, "is_open", is_open)
    given["workspace"]["spec"]["network"].update(network)
    workspace: Workspace = parse_workspace(given["workspace"])
    settings = Settings.model_validate(given["settings"])
    ledger = Ledger()
    for kind, name, namespace in (("Namespace", "ws-globex", None), ("Deployment", "support", "ws-globex")):
        owner = {"kind": "Workspace", "name": "globex", "uid": "u", "controller": True}
        metadata = {"name": name, "namespace": namespace, "uid": "u", "ownerReferences": [owner]}
        ledger.record({"kind": kind, "metadata": metadata}, {"kind": kind, "metadata": metadata})
    context = Context(
        cast("Kubernetes", cluster or Cluster()),
        {},
        settings,
        ledger,
        lambda: NOW,
        lambda: 0.0,
        lambda _: None,
        IsolationMemory(Place("10.0.0.9", 8080, "10.2.0.1", 443)),
    )
    server = settings.server("default")
    assert server is not None
    found: Object = json.loads(await targets.gather_targets(context, workspace, server))
    return found


def addresses(document: Object) -> dict[str, bool]:
    return {f"{each['host']}:{each['port']}": each["up"] for each in document["endpoints"]}


async def test_neighbours_the_operator_the_api_server_and_metadata_are_tried(
    given: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = await tried(given, monkeypatch)
    assert addresses(document) == {
        "10.0.0.9:8080": True,
        "169.254.169.254:80": True,
        "fd00:ec2::254:80": False,
        "10.2.0.1:443": True,
        "10.0.0.2:6443": True,
        "10.1.0.2:7777": True,
        "10.1.0.2:9464": True,
        "10.2.0.2:80": True,
    }
    assert document["runtimes"] == ["10.1.0.1"]
    assert document["neighbours"] == [{"schema": "ws_2", "owner": "ws_2_owner", "login": "ws_2_a"}]


async def test_tokens_of_a_secret_that_no_runtime_accepts_are_not_shown_to_any(
    given: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The good one among them would be refused, and the probe would prove nothing."""
    given["workspace"]["spec"]["auth"]["issuers"] = [{"name": "app", "type": "JWKS"}]
    assert (await tried(given, monkeypatch))["runtimes"] == []


async def test_a_pod_that_tenants_can_look_into_names_no_other_tenant(
    given: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "globex" not in json.dumps(await tried(given, monkeypatch))


async def test_what_the_workspace_was_granted_is_no_breach(given: Object, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [{"port": 443, "protocol": "TCP"}]
    granted = [{"cidr": "10.0.0.2/32", "ports": ports}, {"namespace": "ws-globex", "ports": ports}]
    found = addresses(await tried(given, monkeypatch, egress=granted))
    assert found.keys() == {"10.0.0.9:8080", "169.254.169.254:80", "fd00:ec2::254:80"}


async def test_a_public_api_server_is_no_secret_and_not_tried(given: Object, monkeypatch: pytest.MonkeyPatch) -> None:
    found = addresses(await tried(given, monkeypatch, Cluster(api_server="8.8.8.8")))
    assert "10.2.0.1:443" not in found
