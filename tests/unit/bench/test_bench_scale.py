"""Whose writes the scale part counts, and what it gives kwok to play."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.catalog import FIGURES, SCALE_SIZES
from bench.scale import nodes
from bench.scale.client import is_available
from bench.scale.restart import versions_of
from bench.scale.world import USER
from bench.scale.writes import by_resource, by_user, by_verb, requests, since


def noted(user: str, resource: str, subresource: str = "", code: int = 200, verb: str = "patch") -> str:
    target = {"resource": resource, **({"subresource": subresource} if subresource else {})}
    event = {
        "user": {"username": user},
        "objectRef": target,
        "responseStatus": {"code": code},
        "requestURI": "/",
        "verb": verb,
    }
    return json.dumps(event) + "\n"


def test_only_the_operators_own_writes_are_counted_refused_ones_too_without_its_lease(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(noted(USER, "deployments"))
    before = log.stat().st_size
    with log.open("a") as lines:
        lines.write(noted(USER, "events", code=403))
        lines.write(noted(USER, "workspaces", "status"))
        lines.write(noted(USER, "workspaces", "status"))
        lines.write(noted(USER, "leases"))
        lines.write(noted(USER, "secrets", verb="get"))
        lines.write(noted(USER, "deployments", verb="watch"))
        lines.write(noted("system:kube-scheduler", "events"))
        lines.write(noted(USER, "secrets").rstrip())  # is still being written
    found = since(log, before)
    assert by_resource(found, USER) == {"events": 1, "workspaces/status": 2}
    assert by_user(found)["system:kube-scheduler events"] == 1
    assert by_verb(requests(log, before), USER)["get secrets"] == 1
    assert "watch deployments" not in by_verb(requests(log, before), USER)


def test_a_fleet_fits_on_the_fake_nodes() -> None:
    room = sum(int(node["status"]["allocatable"]["pods"]) for node in nodes.nodes())
    assert room >= 2000


def test_each_size_has_its_figures_and_the_largest_has_the_goals() -> None:
    goals = {figure.name: figure.goal for figure in FIGURES if figure.part == "scale"}
    assert goals["scale-1000-ready"] == "<= 2 x baseline"
    assert goals["scale-1000-memory"] == "< 200 MB"
    assert goals["scale-10-ready"] == ""
    assert {f"scale-{size}-left" for size in SCALE_SIZES} <= goals.keys()


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({"observedGeneration": 2, "availableReplicas": 1}, True),
        ({"observedGeneration": 1, "availableReplicas": 1}, False),
    ],
)
def test_a_deployment_counts_when_its_newest_pods_are_available(status: dict[str, int], ready: bool) -> None:
    assert is_available({"metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": status}) is ready


def test_a_restart_changes_children_and_not_what_lies_beside_the_operator() -> None:
    found = [
        {"uid": "1", "name": "ws-acme", "resourceVersion": "7"},
        {"uid": "2", "name": "agentos-runtime", "namespace": "ws-acme", "resourceVersion": "8"},
        {"uid": "3", "name": "agentos-handover", "namespace": "agentos-system", "resourceVersion": "9"},
    ]
    assert versions_of(found) == {"1": "7", "2": "8"}
