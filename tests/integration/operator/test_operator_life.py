"""A workspace's whole life in either place for its data, stage by stage, against ``golden/life-<isolation>.yaml``.

What stands there is what a user and an administrator of PostgreSQL see: conditions, objects, pods asked for, roles with
what they may do. ``pytest --update-golden`` writes the files anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentos_operator.clients.kinds import KINDS
from tests.integration.apiserver import Object, eventually
from tests.integration.operator.rotating import ask, wait_until_handled
from tests.integration.operator.stage import SYSTEM_NAMESPACE, Stage, new_name

GOLDEN = Path(__file__).parent / "golden"
NOT_OURS = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
NAMED_BY_CONTENT = ("ConfigMap", "ControllerRevision")
"""Kinds whose names end in a digest."""

ROLES = """
SELECT rolname::text, rolcanlogin, rolconnlimit, rolinherit,
  (SELECT array_agg(granted.rolname::text ORDER BY granted.rolname) FROM pg_auth_members m
   JOIN pg_roles granted ON granted.oid = m.roleid WHERE m.member = r.oid) AS member_of,
  (SELECT array_agg(setting ORDER BY setting) FROM pg_db_role_setting s, unnest(s.setconfig) setting
   WHERE s.setrole = r.oid) AS settings
FROM pg_roles r WHERE rolname = ANY (%s) ORDER BY rolname
"""
SCHEMA = """
SELECT pg_get_userbyid(nspowner)::text AS owner, nspacl::text[] AS rights FROM pg_namespace WHERE nspname = %s
"""


class Life:
    """One Workspace and its AgentDeployment, looked at from all sides."""

    def __init__(self, stage: Stage, name: str, isolation: str, body: Object) -> None:
        self.stage, self.name, self.isolation = stage, name, isolation
        self.place = f"ws-{name}"
        self.names = stage.names(body)

    def seen(self) -> Object:
        """All of it, without what differs between two lives by nature."""
        found = {
            "Workspace": self._conditions("Workspace", self.name, None),
            "AgentDeployment": self._conditions("AgentDeployment", "support", self.place),
            "objects": sorted(self._objects()),
            "pods wanted": self._wanted(),
            "PostgreSQL": self._database(),
        }
        text = json.dumps(found).replace(self.names.schema, "ws_HASH").replace(self.stage.role, "OPERATOR")
        text = re.sub(r"agentos_[0-9a-f]{24}_tenants", "TENANTS", text)
        plain: Object = json.loads(text.replace(self.stage.database, "SHARED").replace(self.name, "NAME"))
        return plain

    def _conditions(self, kind: str, name: str, place: str | None) -> Object | None:
        body = self.stage.api.get(kind, name, place)
        if body is None:
            return None
        # What the server of these tests lacks is no part of a life.
        told = [each for each in body["status"]["conditions"] if each["type"] != "DatabaseServerSafe"]
        return {each["type"]: f"{each['status']} {each['reason']}" for each in told}

    def _objects(self) -> Iterator[str]:
        if self.stage.api.get("Namespace", self.place):
            yield f"Namespace {self.place}"
        for kind in KINDS.values():
            if not kind.namespaced or kind.kind == "AgentDeployment":
                continue
            for body in self.stage.api.items(kind.kind, self.place):
                name = body["metadata"]["name"]
                if (kind.kind, name) not in NOT_OURS:
                    yield f"{kind.kind} {name.rpartition('-')[0] if kind.kind in NAMED_BY_CONTENT else name}"

    def _wanted(self) -> int | None:
        body = self.stage.api.get("Deployment", "support", self.place)
        return body["spec"]["replicas"] if body else None

    def _database(self) -> Object | None:
        with self.stage.postgres.connect(self._connected()) as connection:
            columns = ("name", "login", "connections", "inherits", "member of", "settings")
            roles = connection.execute(ROLES, [list(self.names.roles)]).fetchall()
            schema = connection.execute(SCHEMA, [self.names.schema]).fetchone()
        return {
            "database": self._connected(),
            "roles": [dict(zip(columns, role, strict=True)) for role in roles],
            "schema": {"owner": schema[0], "rights": schema[1]} if schema else None,
        }

    def _connected(self) -> str:
        """The database that has the data, or the shared one where there is none of the workspace's own any more."""
        known = {name for (name,) in self.stage.sql("SELECT datname::text FROM pg_database")}
        return self.names.database if self.names.database in known else self.stage.database


def lived(stage: Stage, isolation: str) -> Iterator[tuple[str, Object]]:
    """Every stage of a life, and what is seen then."""
    name = new_name()
    spec: Any = {"database": {"isolation": isolation}}
    stage.ready_workspace(name, **spec)
    life = Life(stage, name, isolation, stage.child("Workspace", "", name))
    yield "created", life.seen()
    stage.available_deployment(name)
    yield "with an AgentDeployment", life.seen()

    spec = {"database": {"isolation": isolation, "connectionLimit": 7, "statementTimeout": "5s"}}
    stage.apply_workspace(name, **spec)
    stage.wait_for("Workspace", name)
    yield "with other limits", life.seen()

    stage.apply_workspace(name, suspended=True, **spec)
    eventually(lambda: _stopped(stage, life), "its pods are to stop")
    stage.roll_out(life.place)
    stage.wait_for("Workspace", name, type_="Suspended")
    stage.wait_for("AgentDeployment", "support", life.place, type_="Suspended")
    yield "suspended", life.seen()

    stage.apply_workspace(name, **spec)
    stage.wait_for("Workspace", name)
    stage.serve(life.place)
    yield "resumed", life.seen()

    ask(stage, name, "now", "rotate-database")
    wait_until_handled(stage, name, "database", "now")
    stage.serve(life.place)
    yield "after a rotation of its login", life.seen()

    stage.api.delete("Workspace", name)
    stage.wait_until_gone("Workspace", name)
    yield "deleted, its data retained", life.seen()
    yield from restored(stage, life)


def restored(stage: Stage, before: Life) -> Iterator[tuple[str, Object]]:
    """The second life of the same data, to its very end."""
    listed = stage.api.get("ConfigMap", "agentos-retained", SYSTEM_NAMESPACE) or {}
    entries = json.loads(listed["data"]["default"])
    (origin,) = (each["name"] for each in entries if each["workspace"] == before.name)
    name = new_name("heir")
    database = {"isolation": before.isolation, "restoreFrom": origin}
    stage.ready_workspace(name, database=database, deletionPolicy="Delete")
    heir = Life(stage, name, before.isolation, stage.child("Workspace", "", name))
    yield "restored under another name", heir.seen()
    stage.api.delete("Workspace", name)
    stage.wait_until_gone("Workspace", name)
    yield "deleted with its data", heir.seen()
    yield "and what the first life had", before.seen()


def _stopped(stage: Stage, life: Life) -> bool:
    return bool(stage.child("Deployment", life.place, "support")["spec"]["replicas"] == 0)


@pytest.mark.parametrize("isolation", ["Schema", "Database"])
def test_every_stage_of_a_life_is_as_it_is_written_down(
    stage: Stage, isolation: str, request: pytest.FixtureRequest
) -> None:
    file = GOLDEN / f"life-{isolation.lower()}.yaml"
    with stage.running():
        found = dict(lived(stage, isolation))
    if request.config.getoption("--update-golden"):
        file.write_text(yaml.safe_dump(found, sort_keys=False, width=120))
    expected = yaml.safe_load(file.read_text())
    assert list(found) == list(expected)
    for name, state in found.items():
        assert state == expected[name], name
