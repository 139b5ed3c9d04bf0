"""Knowledge over HTTP, on a real PostgreSQL with pgvector: what is found, by whom, and what happens without either."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg import sql

SCOPES = ["agents:run", "agents:read", "config:read", "knowledge:read", "knowledge:write", "knowledge:delete"]
RETURNS = "Parcels may be returned within thirty days; the refund arrives after a week."
WARRANTY = "The warranty on lamps lasts five years and covers broken switches."


@pytest.fixture(scope="module", autouse=True)
def pgvector(postgres: Any, database: Any) -> Iterator[None]:
    """The extension in `ext`, and a login that finds it there, as the operator prepares them."""
    with postgres.connect() as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS ext")
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA ext")
        role = sql.Identifier(database.schema)
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA ext TO {}").format(role))
        connection.execute(sql.SQL("ALTER ROLE {0} SET search_path = {0}, ext").format(role))
    yield
    with postgres.connect() as connection:
        connection.execute("DROP EXTENSION vector CASCADE")
        connection.execute("DROP SCHEMA ext CASCADE")


class Deployment:
    """A runtime whose agent has knowledge."""

    def __init__(self, process: Any, token: Callable[..., str]) -> None:
        self.process = process
        self._token = token

    def ask(self, method: str, path: str, user: str = "alice", scopes: Any = None, **more: Any) -> httpx.Response:
        token = self._token(sub=user, scopes=scopes or SCOPES)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.request(method, self.process.url + path, headers=headers, timeout=60, **more)

    def finds(self, query: str, user: str = "alice", **more: Any) -> list[str]:
        """The pieces of text that a user finds, the nearest first."""
        answer = self.ask("POST", "/knowledge/search", user, json={"query": query, **more})
        assert answer.status_code == 200, answer.text
        return [each["content"] for each in answer.json()["data"]]

    def answers(self, query: str, user: str = "alice") -> str:
        """What the agent says once it has searched."""
        message = 'call search_knowledge_base {"query": "%s"}' % query
        answer = self.ask("POST", "/agents/support/runs", user, data={"message": message, "stream": "false"})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["content"])

    def uploads(self, text: str, name: str, user: str = "alice", scopes: Any = None) -> str:
        """The id of a text that was taken and kept."""
        answer = self.ask("POST", "/knowledge/content", user, scopes, data={"text_content": text, "name": name})
        assert answer.status_code == 202, answer.text
        content = str(answer.json()["id"])
        self.until(lambda: self.status(content, user)["status"] == "completed", content)
        return content

    def status(self, content: str, user: str = "alice") -> dict[str, Any]:
        answer = self.ask("GET", f"/knowledge/content/{content}/status", user)
        return {"code": answer.status_code, **answer.json()}

    def told(self) -> dict[str, Any]:
        """What /config says of its sources."""
        found: dict[str, Any] = self.ask("GET", "/config").json()["knowledge_sources"][0]
        return found

    def until(self, holds: Callable[[], bool], what: Any = "") -> None:
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline, (what, self.told(), self.process.output)
            time.sleep(0.1)

    def loads(self) -> None:
        self.until(lambda: self.told()["status"] == "loaded")


@pytest.fixture
def deploy(
    tmp_path: Path,
    start: Callable[..., Any],
    an_agent: Callable[..., Any],
    token: Callable[..., str],
    model: Any,
) -> Callable[..., Deployment]:
    """A deployment of its own with texts in a ConfigMap, as a pod has it."""
    name = f"d-{secrets.token_hex(4)}"

    def begin(texts: dict[str, str] | None = None, embedder: str = model.url, **changes: Any) -> Deployment:
        write(tmp_path, texts or {})
        sources = [{"configMap": {"name": "handbook"}}] if texts else []
        knowledge = {
            "id": "handbook",
            "embedder": {
                "id": "openai:text-embedding-3-small",
                "baseURL": f"{embedder}/v1",
                "apiKeySecretRef": {"name": "openai", "key": "api-key"},
                "dimensions": 256,
            },
            **({"sources": sources} if sources else {}),
            "maxResults": 1,
        }
        agent = an_agent(knowledge="handbook", tools=[], **changes)
        environ = {"AGENTOS_DEPLOYMENT": name, "AGENTOS_KNOWLEDGE_DIR": str(tmp_path / "knowledge")}
        process = start(agent, knowledge=[knowledge], **environ)
        process.wait_until("/readyz")
        return Deployment(process, token)

    return begin


def write(folder: Path, texts: dict[str, str]) -> None:
    """The directory of the ConfigMap, as the kubelet keeps it."""
    place = folder / "knowledge" / "handbook"
    place.mkdir(parents=True, exist_ok=True)
    for old in set(each.name for each in place.iterdir()) - texts.keys():
        (place / old).unlink()
    for name, text in texts.items():
        (place / name).write_text(text)


def test_an_agent_answers_from_a_config_map(deploy: Callable[..., Deployment]) -> None:
    deployment = deploy({"returns.md": RETURNS, "warranty.md": WARRANTY})
    deployment.loads()
    assert RETURNS in deployment.answers("When does the refund arrive?")
    assert WARRANTY in deployment.answers("How long is the warranty on lamps?")


def test_what_changes_in_a_config_map_is_found_without_a_new_pod(
    deploy: Callable[..., Deployment], tmp_path: Path
) -> None:
    deployment = deploy({"returns.md": RETURNS, "warranty.md": WARRANTY})
    deployment.loads()
    changed = "Parcels may be returned within ninety days; the refund arrives the next day."
    write(tmp_path, {"returns.md": changed})
    deployment.until(lambda: deployment.finds("refund parcels", max_results=9) == [changed])
