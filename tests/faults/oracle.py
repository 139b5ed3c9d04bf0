"""What a workspace has in the end, in both servers, without what differs between two workspaces by nature.

Two runs of a scenario, one of them with a fault, must leave the same; ``differences`` says what does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row

from agentos_operator.clients.kinds import KINDS, WORKSPACE
from agentos_operator.database_names import DatabaseNames
from tests.faults.world import World
from tests.integration.apiserver import Object
from tests.integration.operator.stage import WORKSPACE_CHILDREN, condition

_NOT_STATE = ("Lease", "Pod", "Event")
"""Kinds whose objects are played by the tests, or tell a history."""
_CONTENT_HASH = re.compile(r"(?<=^support-)[0-9a-f]{8,}$")
_BY_NATURE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:]+Z"), "TIME"),
    (re.compile(r'"(\d+\.){3}\d+"'), '"ADDRESS"'),
    (re.compile(r'-id": "[0-9a-f]+"'), '-id": "ID"'),
    (re.compile(r"=[0-9a-f]{8,}(?![0-9a-zA-Z])"), "=ID"),
    (re.compile(r'("name": "support-)[0-9a-f]{8,}"'), r'\1HASH"'),
)
"""Two lives of one name differ in these; what must not differ is what they stand in."""

_SQL = """
WITH mine AS (SELECT * FROM pg_authid WHERE rolname = ANY (%(roles)s))
SELECT
  (SELECT jsonb_agg(jsonb_build_array(rolname, rolcanlogin, rolinherit, rolconnlimit, rolpassword IS NOT NULL,
     rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
     shobj_description(oid, 'pg_authid')) ORDER BY rolname) FROM mine) AS roles,
  (SELECT jsonb_agg(DISTINCT jsonb_build_array(pg_get_userbyid(roleid), pg_get_userbyid(member),
     pg_get_userbyid(grantor), admin_option, inherit_option, set_option))
     FROM pg_auth_members WHERE roleid IN (SELECT oid FROM mine) OR member IN (SELECT oid FROM mine)) AS memberships,
  (SELECT jsonb_agg(jsonb_build_array(pg_get_userbyid(setrole), setdatabase = 0, setconfig) ORDER BY setrole)
     FROM pg_db_role_setting WHERE setrole IN (SELECT oid FROM mine)) AS settings,
  (SELECT jsonb_build_array(pg_get_userbyid(nspowner), nspacl::text, obj_description(oid, 'pg_namespace'))
     FROM pg_namespace WHERE nspname = %(schema)s) AS schema,
  (SELECT jsonb_agg(jsonb_build_array(relname, pg_get_userbyid(relowner), relacl::text) ORDER BY relname)
     FROM pg_class WHERE relkind = 'r' AND relnamespace = (
       SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)) AS tables,
  (SELECT count(*) FROM pg_stat_activity WHERE usename = ANY (%(roles)s)) AS sessions
"""


def final_state(world: World, name: str) -> Any:
    """Everything that a workspace has, and what its earlier lives have left."""
    found: Object = {
        "objects": _objects(world, name),
        "lives": [sql_state(world, each) for each in world.identities[name]],
    }
    place = f"ws-{name}"
    if world.stage.api.get("Secret", "agentos-database", place) is not None:
        found["login"] = world.stage.can_log_in(place)
    return _normal(world, name, found)


def sql_state(world: World, names: DatabaseNames) -> Any:
    """What stands in PostgreSQL about one life of a workspace."""
    with world.stage.postgres.connect(world.stage.database) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        row = cursor.execute(_SQL, {"roles": list(names.roles), "schema": names.schema}).fetchone()
        listed = cursor.execute("SELECT to_regclass('agentos_private.retained') IS NOT NULL AS there").fetchone()
        assert row is not None
        assert listed is not None
        query = "SELECT isolation, workspace, uid FROM agentos_private.retained WHERE name = %s"
        row["retained"] = cursor.execute(query, [names.schema]).fetchall() if listed["there"] else []
    return row


def differences(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Where two states are not the same, one line each."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        keys = sorted({*wanted, *found})
        return [line for key in keys for line in differences(wanted.get(key), found.get(key), f"{path}/{key}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [line for index, (one, other) in pairs for line in differences(one, other, f"{path}/{index}")]
    return [] if wanted == found else [f"{path}: {_short(found)} instead of {_short(wanted)}"]


def untrue(world: World, name: str, body: Object) -> list[str]:
    """What a status says with Ready that is not so at this moment."""
    if body["kind"] == WORKSPACE.kind:
        return _workspace_lies(world, name)
    return _deployment_lies(world, f"ws-{name}", body)


def _workspace_lies(world: World, name: str) -> list[str]:
    place = f"ws-{name}"
    missing = [f"{kind} {child}" for kind, child in WORKSPACE_CHILDREN if not world.stage.api.get(kind, child, place)]
    if missing:
        return [f"the Workspace is said to be Ready without its {each}" for each in missing]
    return [] if world.stage.can_log_in(place) else ["the Workspace is said to be Ready and its login does not work"]


def _deployment_lies(world: World, place: str, body: Object) -> list[str]:
    live = world.stage.api.get("Deployment", "support", place)
    if live is None:
        return ["the AgentDeployment is said to be Ready without its Deployment"]
    ready = condition(body)
    replicas = live["spec"]["replicas"]
    if ready["reason"] == "Suspended":
        return [] if replicas == 0 else ["the AgentDeployment is said to be at rest, and its Deployment wants pods"]
    status = live.get("status", {})
    if status.get("observedGeneration") != live["metadata"]["generation"] or status.get("readyReplicas") != replicas:
        return ["the AgentDeployment is said to be Ready before its pods are"]
    return []


def _objects(world: World, name: str) -> Object:
    api, place = world.stage.api, f"ws-{name}"
    bodies: Sequence[Object | None] = [api.get("Workspace", name), api.get("Namespace", place)]
    found = [body for body in bodies if body is not None]
    for kind in KINDS.values():
        if kind.namespaced and kind.kind not in _NOT_STATE:
            found += [each | {"kind": kind.kind} for each in api.items(kind.kind, place)]
    essences: Object = {}
    for each in sorted(map(_essence, found), key=lambda each: str(each["name"])):
        key = f"{each['kind']} {_CONTENT_HASH.sub('HASH', each['name'])}"
        essences[key if key not in essences else f"{key} and another"] = each
    return essences


def _essence(body: Object) -> Object:
    """Without the values of Secrets, and without what the API server writes."""
    metadata = body["metadata"]
    kept = {key: metadata[key] for key in ("name", "labels", "finalizers") if key in metadata}
    annotations = metadata.get("annotations", {})
    kept["annotations"] = {key: value for key, value in annotations.items() if not key.startswith("example.com/")}
    owners = [{"kind": each["kind"], "name": each["name"]} for each in metadata.get("ownerReferences", ())]
    rest = {key: value for key, value in body.items() if key not in ("metadata", "status", "data", "apiVersion")}
    if body["kind"] in ("Workspace", "AgentDeployment"):
        rest["status"] = _status(body)
    rest["data"] = sorted(body.get("data") or {})
    if body["kind"] == "ConfigMap" and "support-" in metadata["name"]:
        rest["data"] = body["data"]
    return {**kept, "owners": owners, **rest}


def _status(body: Object) -> Object:
    status: Object = json.loads(json.dumps(body.get("status", {})))
    for each in status.get("conditions", ()):
        del each["lastTransitionTime"]
        del each["observedGeneration"]
    status.pop("observedGeneration", None)
    return status


def _normal(world: World, name: str, found: Any) -> Any:
    text = json.dumps(found, sort_keys=True, default=str)
    for number, names in enumerate(world.identities[name]):
        text = text.replace(names.schema, f"SCHEMA{number}")
    for number, uid in enumerate(world.uids[name]):
        text = text.replace(uid, f"UID{number}")
    for pattern, word in _BY_NATURE:
        text = pattern.sub(word, text)
    return json.loads(text.replace(name, "NAME"))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 300 else f"{text[:300]}…"
