"""No password, key or token stands where others read, whatever goes wrong: the operator's log, conditions, Events,
PostgreSQL's log with every statement in it. Every other module here looks for its own secrets in the end as well.
"""

from __future__ import annotations

import json

from tests.integration.apiserver import eventually
from tests.integration.operator.stage import ADMIN_PASSWORD, Stage, agent_deployment, decoded, new_name, secret


def test_nothing_secret_is_told_when_everything_goes_wrong(stage: Stage) -> None:
    api_key = "planted-api-key-of-a-model-provider"
    stage.secrets.add(api_key)
    with stage.running(resyncSeconds=1):
        name = stage.ready_workspace()
        place = stage.available_deployment(name)
        credentials = [stage.secret("agentos-database", place), stage.secret("agentos-jwt", place)]

        stage.api.apply(secret(place, "keys", **{"api-key": api_key}))
        reference = {"name": "keys", "key": "api-key"}
        agents = [{"id": "a", "model": {"id": "openai-chat:gpt-4o", "apiKeySecretRef": reference}}]
        stage.api.apply(agent_deployment(place, agents=agents))
        stage.serve(place)

        # Refused by PostgreSQL: the operator's own password, and a login that was changed.
        (stage.credentials / "password").write_text("planted-wrong-password")
        stage.secrets.add("planted-wrong-password")
        stage.sql("ALTER ROLE {} PASSWORD NULL", credentials[0]["username"])
        stage.postgres.stop()
        stage.wait_for("Workspace", name, status="False", reason="DatabaseUnavailable")
        stage.postgres.start()
        stage.wait_for("Workspace", name, status="False", reason="DatabaseForbidden")
        (stage.credentials / "password").write_text(ADMIN_PASSWORD)
        eventually(lambda: stage.can_log_in(place), "the password was set again")

        # A Secret of ours that became immutable without its value: no write can mend it, so it is made anew.
        stage.api.patch("Secret", "agentos-jwt", {"data": {"secret": None}, "immutable": True}, place)
        eventually(lambda: bool(signing_secret(stage, place)), "there is a signing secret again")
        stage.wait_for("Workspace", name)

        broken = new_name()
        stage.apply_workspace(broken, database={"server": "atlantis"})
        stage.wait_for("Workspace", broken, status="False", reason="UnknownDatabaseServer")
        stage.api.delete("Workspace", broken)
        assert credentials[0]["password"] in stage.secrets
        assert stage.leaks() == []


def signing_secret(stage: Stage, place: str) -> str:
    """Empty for the moment in which there is no Secret."""
    body = stage.api.get("Secret", "agentos-jwt", place)
    return decoded(body).get("secret", "") if body else ""


def test_every_line_of_the_log_is_json_and_no_exception_is_quoted(stage: Stage) -> None:
    lines = [line for operator in stage.started for line in operator.log.splitlines()]
    assert lines
    assert all({"time", "level", "logger", "message"} <= json.loads(line).keys() for line in lines)
