"""What is learned of a user: by the model that is declared for it, told to the agent again, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from tests.integration.runtime.conftest import Process, agent
from tests.integration.runtime.providers import Learns, serving

SCOPES = ["agents:run", "teams:run", "learnings:read", "learnings:write", "learnings:delete"]
ACME = {"entity": "Acme", "entity_type": "company", "facts": ["Acme sells anvils"]}


class School:
    """A runtime with agents that learn."""

    def __init__(self, process: Any, token: Callable[..., str]) -> None:
        self._url = process.url
        self._token = token

    def ask(self, method: str, path: str, user: str, scopes: Any = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token(sub=user, scopes=scopes or SCOPES)}"}
        return httpx.request(method, self._url + path, headers=headers, timeout=60, **more)

    def run(self, message: str, user: str, who: str = "agents/support") -> dict[str, Any]:
        answer = self.ask("POST", f"/{who}/runs", user, data={"message": message, "stream": "false"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def told(self, user: str, who: str = "agents/support") -> str:
        """The words of the system message."""
        return str(self.run("system", user, who)["content"])

    def learned(self, user: str) -> dict[str, dict[str, Any]]:
        """By its type."""
        found = self.ask("GET", "/learnings", user).json()["data"]
        return {each["learning_type"]: each for each in found}


@pytest.fixture(scope="module")
def school(
    tmp_path_factory: pytest.TempPathFactory,
    model: Process,
    runtime_of: Callable[..., AbstractContextManager[tuple[Any, Any]]],
) -> Iterator[School]:
    with serving(Learns) as url:
        pupil = {**agent(url)["model"], "id": "openai-chat:pupil"}
        learns = {"model": pupil, "userMemory": True, "userProfile": True, "entityMemory": True}
        silent = {"learning": learns, "addLearningsToContext": False}
        others = [agent(model.url, id="silent", tools=[], **silent), agent(model.url, id="plain", tools=[])]
        teams = [{"id": "house", "members": ["plain"], "learning": learns}]
        folder = tmp_path_factory.mktemp("learning")
        with runtime_of(folder, others=others, teams=teams, tools=[], learning=learns) as served:
            yield School(*served)


@pytest.mark.parametrize("who", ["agents/support", "teams/house"])
def test_the_model_that_is_declared_for_it_learns_and_the_next_run_is_told(school: School, who: str) -> None:
    user = f"ann of {who}"
    answer = school.run("remember green tea", user, who)
    assert [each["id"] for each in answer["metrics"]["details"]["learning_model"]] == ["pupil"]
    assert "green tea" in school.told(user, who)
    assert "green tea" in json.dumps(school.learned(user)["user_memory"]["content"])
    assert school.learned(user)["user_profile"]["content"]["name"] == "green tea"


def test_what_is_learned_of_a_user_is_told_to_every_agent_that_learns_and_to_no_other(school: School) -> None:
    school.run("remember black coffee", "eve", "agents/silent")
    assert "black coffee" in school.told("eve", "agents/support")
    assert "black coffee" not in school.told("eve", "agents/silent"), "it is not to be told"
    assert "black coffee" not in school.told("eve", "agents/plain")


def test_another_user_learns_nothing_of_it(school: School) -> None:
    school.run("remember the wedding", "alice")
    school.run(f"call remember_about {json.dumps(ACME)}", "alice")
    assert "the wedding" in school.told("alice")
    assert "Acme" in school.told("alice")
    assert "anvils" in str(school.run('call search_entities {"query": "Acme"}', "alice")["content"])
    for secret in ("the wedding", "Acme"):
        assert secret not in school.told("bob")
        assert secret not in json.dumps(school.learned("bob"))
    assert "anvils" not in str(school.run('call search_entities {"query": "Acme"}', "bob")["content"])


def test_a_user_reads_changes_and_deletes_no_learning_of_another(school: School) -> None:
    school.run("remember the wedding", "alice")
    school.run(f"call remember_about {json.dumps(ACME)}", "alice")
    learned = school.learned("alice")
    assert learned.keys() == {"user_memory", "user_profile", "entity_memory"}
    for each in learned.values():
        path = f"/learnings/{each['learning_id']}"
        for method in ("GET", "PATCH", "DELETE"):
            body: dict[str, Any] | None = {"content": {"planted": True}} if method == "PATCH" else None
            assert school.ask(method, path, "bob", json=body).status_code == 404, (method, each)
        planted = {key: each[key] for key in ("learning_type", "user_id", "entity_id", "entity_type", "namespace")}
        more = {**planted, "content": {"planted": True}}
        assert school.ask("POST", "/learnings", "bob", json=more).status_code == 403, each
    assert school.ask("DELETE", "/learnings/users/alice", "bob").status_code == 403
    assert school.ask("GET", "/learnings?user_id=alice", "bob").status_code == 403
    assert school.learned("alice") == learned


def test_a_user_forgets_what_was_learned(school: School) -> None:
    school.run("remember red wine", "carl")
    assert school.ask("DELETE", "/learnings/users/carl", "carl").status_code == 204
    assert school.learned("carl") == {}
    assert "red wine" not in school.told("carl")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/learnings", "learnings:read"),
        ("GET", "/learnings/users", "learnings:read"),
        ("POST", "/learnings", "learnings:write"),
        ("PATCH", "/learnings/x", "learnings:write"),
        ("DELETE", "/learnings/x", "learnings:delete"),
        ("DELETE", "/learnings/users/dora", "learnings:delete"),
    ],
)
def test_each_right_opens_its_own_part(school: School, method: str, path: str, scope: str) -> None:
    others = [each for each in SCOPES if each != scope]
    body: dict[str, Any] | None = {"content": {}} if method in ("POST", "PATCH") else None
    assert school.ask(method, path, "dora", scopes=others, json=body).status_code == 403
