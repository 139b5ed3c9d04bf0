"""Whose writes the scale part counts, and what it gives kwok to play."""

from __future__ import annotations

import json
from pathlib import Path

from bench.scale import nodes
from bench.scale.world import USER
from bench.scale.writes import by_resource, by_user, since


def noted(user: str, resource: str, subresource: str = "", code: int = 200) -> str:
    target = {"resource": resource, **({"subresource": subresource} if subresource else {})}
    event = {"user": {"username": user}, "objectRef": target, "responseStatus": {"code": code}, "requestURI": "/"}
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
        lines.write(noted("system:kube-scheduler", "events"))
        lines.write(noted(USER, "secrets").rstrip())  # is still being written
    found = since(log, before)
    assert by_resource(found, USER) == {"events": 1, "workspaces/status": 2}
    assert by_user(found)["system:kube-scheduler events"] == 1


def test_a_fleet_fits_on_the_fake_nodes() -> None:
    room = sum(int(node["status"]["allocatable"]["pods"]) for node in nodes.nodes())
    assert room >= 2000
