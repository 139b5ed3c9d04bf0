"""Knowledge over HTTP, on a real PostgreSQL with pgvector: what is found, by whom, and what happens without either."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

SCOPES = [
    "agents:run",
    "teams:run",
    "agents:read",
    "config:read",
    "knowledge:read",
    "knowledge:write",
    "knowledge:delete",
]
RETURNS = "Parcels may be returned within thirty days; the refund arrives after a week."
WARRANTY = "The warranty on lamps lasts five years and covers broken switches."


pytestmark = pytest.mark.usefixtures("pgvector")


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

    def answers(self, query: str, user: str = "alice", who: str = "agents/support") -> str:
        """What the agent, or a team, says once it has searched."""
        message = "call search_knowledge_base " + json.dumps({"query": query})
        answer = self.ask("POST", f"/{who}/runs", user, data={"message": message, "stream": "false"})
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
    a_knowledge: Callable[..., dict[str, Any]],
) -> Callable[..., Deployment]:
    """A deployment of its own with texts in a ConfigMap, as a pod has it."""
    name = f"d-{secrets.token_hex(4)}"

    def begin(
        texts: dict[str, str] | None = None,
        deployment: str = "",
        knowledge: Any = None,
        teams: Any = (),
        **environ: str,
    ) -> Deployment:
        write(tmp_path, texts or {})
        given = knowledge or a_knowledge(**({"sources": [{"configMap": {"name": "handbook"}}]} if texts else {}))
        agent = an_agent(knowledge="handbook", tools=[])
        environ |= {"AGENTOS_DEPLOYMENT": deployment or name, "AGENTOS_KNOWLEDGE_DIR": str(tmp_path / "knowledge")}
        process = start(agent, knowledge=[given], teams=teams, **environ)
        process.wait_until("/readyz")
        return Deployment(process, token)

    return begin


@pytest.fixture(scope="module")
def bare(
    tmp_path_factory: pytest.TempPathFactory,
    runtime_of: Callable[..., AbstractContextManager[tuple[Any, Any]]],
    a_knowledge: Callable[..., dict[str, Any]],
    pgvector: Any,
) -> Iterator[Deployment]:
    """One without texts, for what is refused."""
    with runtime_of(tmp_path_factory.mktemp("bare"), bodies=[a_knowledge()], knowledge="handbook") as served:
        yield Deployment(*served)


def write(folder: Path, texts: dict[str, str]) -> None:
    """The directory of the ConfigMap, as the kubelet keeps it."""
    place = folder / "knowledge" / "handbook"
    place.mkdir(parents=True, exist_ok=True)
    for old in {each.name for each in place.iterdir()} - texts.keys():
        (place / old).unlink()
    for name, text in texts.items():
        (place / name).write_text(text)


def test_an_agent_answers_from_a_config_map(deploy: Callable[..., Deployment]) -> None:
    deployment = deploy({"returns.md": RETURNS, "warranty.md": WARRANTY})
    deployment.loads()
    assert RETURNS in deployment.answers("When does the refund arrive?")
    assert WARRANTY in deployment.answers("How long is the warranty on lamps?")


def test_a_team_answers_from_it_and_is_sent_what_is_found_where_the_document_says_so(
    deploy: Callable[..., Deployment], an_agent: Callable[..., Any]
) -> None:
    model = an_agent()["model"]
    team = {"id": "desk", "model": model, "members": ["support"], "knowledge": "handbook"}
    told = team | {"id": "told", "addKnowledgeToContext": True, "searchKnowledge": False}
    deployment = deploy({"returns.md": RETURNS}, teams=[team, told])
    deployment.loads()
    assert RETURNS in deployment.answers("refund", who="teams/desk")
    form = {"message": "When does the refund arrive?", "stream": "false"}
    assert "refund arrives after a week" in deployment.ask("POST", "/teams/told/runs", data=form).json()["content"]


def test_what_changes_in_a_config_map_is_found_without_a_new_pod(
    deploy: Callable[..., Deployment], tmp_path: Path
) -> None:
    deployment = deploy({"returns.md": RETURNS, "warranty.md": WARRANTY})
    deployment.loads()
    changed = "Parcels may be returned within ninety days; the refund arrives the next day."
    write(tmp_path, {"returns.md": changed})
    deployment.until(lambda: deployment.finds("refund parcels", max_results=9) == [changed])


def test_what_a_user_uploads_is_found_by_that_user_alone(deploy: Callable[..., Deployment]) -> None:
    deployment = deploy({"returns.md": RETURNS})
    deployment.loads()
    secret = "The xylophone of alice stands in the attic."
    content = deployment.uploads(secret, "attic.txt")
    assert deployment.finds("xylophone attic") == [secret]
    assert secret in deployment.answers("xylophone attic")
    assert deployment.finds("xylophone attic", "bob") == [RETURNS]
    assert secret not in deployment.answers("xylophone attic", "bob")
    for method, path in (
        ("GET", f"/knowledge/content/{content}"),
        ("GET", f"/knowledge/content/{content}/status"),
        ("DELETE", f"/knowledge/content/{content}"),
        ("PATCH", f"/knowledge/content/{content}"),
        ("POST", f"/knowledge/content/{content}/refresh"),
    ):
        form = {"name": "mine"} if method == "PATCH" else None
        assert deployment.ask(method, path, "bob", data=form).status_code == 404, path
    names = [each["name"] for each in deployment.ask("GET", "/knowledge/content", "bob").json()["data"]]
    assert names == ["configMap/handbook/returns.md"]
    assert deployment.ask("DELETE", "/knowledge/content", "bob").status_code == 200
    assert deployment.finds("xylophone attic") == [secret], "bob deleted all that he may"
    assert deployment.finds("refund parcels") == [RETURNS], "bob deleted what belongs to all"
    assert deployment.ask("DELETE", f"/knowledge/content/{content}").status_code == 200
    assert deployment.finds("xylophone attic") == [RETURNS]


def test_what_an_administrator_uploads_is_found_by_all(deploy: Callable[..., Deployment]) -> None:
    deployment = deploy()
    deployment.uploads(WARRANTY, "warranty", "root", ["agent_os:admin"])
    assert deployment.finds("warranty lamps", "bob") == [WARRANTY]
    assert WARRANTY in deployment.answers("warranty lamps", "bob")


def test_a_text_that_comes_again_under_its_name_replaces_the_earlier_one(deploy: Callable[..., Deployment]) -> None:
    deployment = deploy()
    first = deployment.uploads(RETURNS, "handbook.txt")
    changed = RETURNS.replace("thirty", "ninety")
    assert deployment.uploads(changed, "handbook.txt") == first
    deployment.until(lambda: deployment.finds("refund parcels", max_results=9) == [changed])
    blank = {"file": ("handbook.txt", b"", "text/plain")}
    assert deployment.ask("POST", "/knowledge/content", files=blank).json()["id"] == first
    deployment.until(lambda: deployment.finds("refund parcels", max_results=9) == [])
    file = {"file": ("warranty.md", WARRANTY.encode(), "text/markdown")}
    assert deployment.ask("POST", "/knowledge/content", files=file).status_code == 202
    deployment.until(lambda: deployment.finds("warranty lamps") == [WARRANTY])


NOT_TAKEN: dict[str, tuple[dict[str, str], Any, int, str]] = {
    "a URL of the cloud's metadata": ({"url": "http://169.254.169.254/latest"}, None, 403, "not fetched for a caller"),
    "a URL in JSON": ({"url": '"https://example.com/page"'}, None, 403, "not fetched for a caller"),
    "a URL beside a text": ({"url": "https://example.com", "text_content": "a"}, None, 403, "not fetched for a caller"),
    "no text": ({}, {"file": ("a.pdf", b"%PDF-1.7 \xff\xfe\x00", "application/pdf")}, 415, "Only texts in UTF-8"),
    "metadata of no names": ({"text_content": "a", "metadata": "[1]"}, None, 422, "must be a JSON object"),
    "too large a text": ({}, {"file": ("a.md", b"x" * (11 * 1024 * 1024), "text/markdown")}, 413, "10485760"),
}


def test_what_is_not_taken_is_refused_at_once(bare: Deployment) -> None:
    before = bare.ask("GET", "/knowledge/content").json()["data"]
    for what, (form, files, status, says) in NOT_TAKEN.items():
        answer = bare.ask("POST", "/knowledge/content", data=form, files=files)
        assert (answer.status_code, says in answer.text) == (status, True), (what, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert bare.ask("GET", "/knowledge/content").json()["data"] == before
    assert bare.ask("GET", "/knowledge/content?page=0&limit=1").status_code == 422


def test_a_planted_source_is_not_fetched_by_a_refresh(bare: Deployment) -> None:
    planted = '{"_agno": {"source_url": "http://169.254.169.254/", "reader_id": "website"}}'
    form = {"text_content": RETURNS, "name": "returns", "metadata": planted}
    content = bare.ask("POST", "/knowledge/content", data=form).json()["id"]
    bare.until(lambda: bare.status(content)["status"] == "completed")
    assert bare.ask("POST", f"/knowledge/content/{content}/refresh").status_code == 400


def test_each_right_opens_its_own_part(bare: Deployment) -> None:
    for method, path, scope in (
        ("GET", "/knowledge/content", "knowledge:read"),
        ("POST", "/knowledge/search", "knowledge:read"),
        ("POST", "/knowledge/content", "knowledge:write"),
        ("DELETE", "/knowledge/content", "knowledge:delete"),
    ):
        others = [each for each in SCOPES if each != scope]
        body = {"query": "a"} if path.endswith("search") else None
        assert bare.ask(method, path, scopes=others, json=body).status_code == 403, path


def test_deployments_of_a_workspace_have_knowledge_of_their_own(
    deploy: Callable[..., Deployment], tmp_path: Path
) -> None:
    first = deploy({"returns.md": RETURNS})
    first.loads()
    content = first.uploads(WARRANTY, "warranty")
    second = deploy({}, deployment="another")
    assert second.finds("refund warranty lamps parcels", max_results=9) == []
    assert second.ask("GET", f"/knowledge/content/{content}").status_code == 404
    assert second.ask("DELETE", f"/knowledge/content/{content}").status_code == 404
    assert second.ask("GET", "/knowledge/content").json()["data"] == []


def test_another_workspace_finds_nothing_of_it(
    deploy: Callable[..., Deployment],
    postgres: Any,
    in_schema_of: Callable[[Any], Any],
    pgvector: Callable[[Any], None],
) -> None:
    deploy({"returns.md": RETURNS}, deployment="desk").loads()
    with in_schema_of(postgres) as theirs:
        pgvector(theirs)
        url = {"AGENTOS_DATABASE_URL": theirs.url, "AGENTOS_DATABASE_SCHEMA": theirs.schema}
        other = deploy({}, deployment="desk", **url)
        assert other.finds("refund parcels") == []
        assert RETURNS not in other.answers("refund parcels")
        other.process.stop()


def test_replicas_load_each_text_once(deploy: Callable[..., Deployment], database: Any) -> None:
    replicas = [deploy({"returns.md": RETURNS, "warranty.md": WARRANTY}) for _ in range(2)]
    for replica in replicas:
        replica.loads()
        assert replica.finds("refund parcels warranty lamps", max_results=9) == [WARRANTY, RETURNS]


def test_while_the_embedder_is_away_the_agent_answers_and_says_what_it_lacks(
    deploy: Callable[..., Deployment],
    a_knowledge: Callable[..., dict[str, Any]],
    free_port: int,
    start_module: Callable[..., Any],
    tmp_path: Path,
) -> None:
    sources = [{"configMap": {"name": "handbook"}}]
    knowledge = a_knowledge(f"http://127.0.0.1:{free_port}", sources=sources)
    deployment = deploy({"returns.md": RETURNS}, knowledge=knowledge)
    deployment.until(lambda: deployment.told()["status"] == "failed")
    assert "configMap/handbook/returns.md" in deployment.told()["message"]
    assert "KnowledgeUnavailable" in deployment.answers("refund")
    refused = deployment.ask("POST", "/knowledge/search", json={"query": "refund"})
    assert refused.status_code == 502
    embedder = start_module(["local.fakemodel", "--port", str(free_port)], tmp_path / "embedder", free_port)
    embedder.wait_until("/health")
    deployment.loads()
    assert RETURNS in deployment.answers("When does the refund arrive?")
    embedder.stop()


def test_a_database_without_pgvector_is_named_with_what_to_do(
    postgres_of: Callable[[int], Any],
    start: Callable[..., Any],
    an_agent: Callable[..., Any],
    tmp_path: Path,
    in_schema_of: Callable[[Any], Any],
) -> None:
    embedder = {"id": "openai:text-embedding-3-small"}
    with in_schema_of(postgres_of(15)) as old:
        url = {"AGENTOS_DATABASE_URL": old.url, "AGENTOS_DATABASE_SCHEMA": old.schema}
        process = start(an_agent(knowledge="handbook"), knowledge=[{"id": "handbook", "embedder": embedder}], **url)
        assert process.process.wait(60) == 78
        words = process.last_words()
    assert words["reason"] == "VectorExtensionMissing"
    assert (
        "is not on the server: install its package there, then CREATE EXTENSION vector SCHEMA ext" in words["message"]
    )


def test_a_laptops_sqlite_is_refused_with_what_to_set(
    start: Callable[..., Any], an_agent: Callable[..., Any], tmp_path: Path
) -> None:
    embedder = {"id": "openai:text-embedding-3-small"}
    laptop = {"AGENTOS_DATABASE_URL": f"sqlite:///{tmp_path}/agentos.db", "AGENTOS_DATABASE_SCHEMA": ""}
    process = start(an_agent(knowledge="handbook"), knowledge=[{"id": "handbook", "embedder": embedder}], **laptop)
    assert process.process.wait(60) == 78
    assert "spec.knowledge needs PostgreSQL with pgvector" in process.last_words()["message"]
