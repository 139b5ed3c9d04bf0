"""Administrators find out what deleted Workspaces have left, and under which name to restore it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from agentosctl.cluster import CONFIG_MAP

if TYPE_CHECKING:
    from tests.unit.agentosctl.conftest import FakeCluster

OLDER = {
    "name": "ws_0123456789abcdef01234567",
    "isolation": "Schema",
    "workspace": "acme",
    "uid": "0c7ff3a4-6a9f-44ad-9d9c-6b7ec4a51f6e",
    "retained_at": "2026-11-22T08:00:00Z",
}
NEWER = {**OLDER, "name": "ws_fedcba987654321001234567", "isolation": "Database", "retained_at": "2026-11-23T08:00:00Z"}

Run = Callable[..., int]


def listed(cluster: FakeCluster, **servers: object) -> None:
    data = {server: entries if isinstance(entries, str) else json.dumps(entries) for server, entries in servers.items()}
    cluster.add(CONFIG_MAP, "agentos-retained", "agentos-system", data=data)


def test_the_table_has_all_servers_and_the_oldest_first(
    cluster: FakeCluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    listed(cluster, frankfurt=[NEWER], default=[OLDER])
    assert run("retained") == 0
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NAME", "SERVER", "ISOLATION", "WORKSPACE", "UID", "RETAINED", "AT"]
    assert first.split() == [OLDER["name"], "default", "Schema", "acme", OLDER["uid"], OLDER["retained_at"]]
    assert second.split()[:3] == [NEWER["name"], "frankfurt", "Database"]


def test_programs_get_json(cluster: FakeCluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    listed(cluster, default=[OLDER])
    assert run("retained", "-o", "json") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    expected = {key: value for key, value in OLDER.items() if key != "retained_at"}
    assert entry == {**expected, "server": "default", "retainedAt": OLDER["retained_at"]}


@pytest.mark.parametrize("output", ["table", "json"])
def test_nothing_retained_is_no_error(output: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("retained", "-o", output) == 0
    assert capsys.readouterr().out == {"table": "Nothing is retained.\n", "json": "[]\n"}[output]


def test_another_namespace_can_be_named(cluster: FakeCluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.add(CONFIG_MAP, "agentos-retained", "platform", data={"default": json.dumps([OLDER])})
    assert run("retained", "--namespace", "platform") == 0
    assert OLDER["name"] in capsys.readouterr().out


@pytest.mark.parametrize("text", ["nonsense", '[{"name": "x"}]', "7"])
def test_a_list_that_is_not_the_operators_is_said_to_be(
    text: str, cluster: FakeCluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    listed(cluster, default=text)
    assert run("retained") == 1
    assert "agentos-retained in the namespace agentos-system is not the operator's" in capsys.readouterr().err


def test_a_missing_right_is_named(cluster: FakeCluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.denied.add(("get", "configmaps"))
    assert run("retained") == 1
    assert "kubectl auth can-i get configmaps -n agentos-system" in capsys.readouterr().err
