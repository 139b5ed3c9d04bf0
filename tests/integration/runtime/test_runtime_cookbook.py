"""examples/cookbook: every shape of agno's cookbook that it declares is served as it stands, and asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.forks import Forks
from tests.integration.apiserver import eventually
from tests.integration.runtime.conftest import (
    Database,
    Launch,
    Process,
    a_free_port,
    make_token,
    pod_environ,
    start_runtime,
)
from tests.integration.runtime.cookbook import ASKED, Asked, as_one, components, documents, names
from tests.integration.runtime.test_runtime_interrupted import status_of
from tests.integration.runtime.test_runtime_teams_workflows import names as names_of_steps

pytestmark = pytest.mark.usefixtures("pgvector")

SCOPES = [
    *("agents:run", "teams:run", "workflows:run", "agents:read", "teams:read", "workflows:read"),
    *("sessions:read", "sessions:write", "config:read"),
]
FILES = [name for name in names() if name != "models-all"]
HALVES = {
    "agents": [name for name in FILES if not name.startswith(("team", "workflow"))],
    "teams and workflows": [name for name in FILES if name.startswith(("team", "workflow"))],
}
"""One deployment has at most 50 agents."""
KEYS = {"openai/api-key": "x", "deepseek/api-key": "x", "openrouter/api-key": "x", "books-mcp/key": "planted-mcp-key"}
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The MCP server of mcp.yaml."""
    port, forks = a_free_port(), Forks("tests.integration.runtime.mcp_server:main")
    process = Process(["streamable-http", str(port)], {}, tmp_path_factory.mktemp("books") / "log", port, forks.start)
    process.wait_until("/nothing", 401)
    yield process
    process.stop()
    forks.close()


@pytest.fixture(scope="module", params=HALVES)
def kitchen(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    database: Database,
    model: Process,
    books: Process,
    forked: Launch,
) -> Iterator[tuple[list[str], httpx.Client]]:
    """Names of files, and a user of the runtime that serves all of them."""
    folder, files = tmp_path_factory.mktemp("cookbook"), HALVES[request.param]
    places = {"http://books-mcp.tools.svc:8080": books.url, "http://vllm.models.svc:8000": model.url}
    _write(folder, files, {**places, "http://gateway.models.svc:8080": NOBODY})
    provider = {"OPENAI_BASE_URL": f"{model.url}/v1"}  # where a document names no other, which the files do not
    environ = pod_environ(folder, database, AGENTOS_KNOWLEDGE_DIR=str(folder / "maps"), **provider)
    process = start_runtime(folder, environ, forked)
    process.wait_until("/readyz")
    headers = {"Authorization": f"Bearer {make_token(scopes=SCOPES)}"}
    with httpx.Client(base_url=process.url, headers=headers, timeout=60) as client:
        yield files, client
    process.stop()


def _write(folder: Path, files: list[str], places: Mapping[str, str]) -> None:
    """What a pod is given of the files, with addresses of a cluster replaced by those of the test."""
    about = {"apiVersion": "agentos.hyvve.io/v1alpha1", "kind": "AgentDeployment", "metadata": {"name": "cookbook"}}
    spec = {kind: parts for kind, parts in as_one(files).items() if parts}
    text = yaml.safe_dump({**about, "spec": spec})
    for there, here in places.items():
        text = text.replace(there, here)
    (folder / "agent-deployment.yaml").write_text(text)
    maps = [each for name in files for each in documents(name) if each["kind"] == "ConfigMap"]
    given = {f"maps/{each['metadata']['name']}/{key}": text for each in maps for key, text in each["data"].items()}
    given |= {f"secrets/{place}": key for place, key in KEYS.items()}
    for place, content in given.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_every_shape_does_what_it_is_for(kitchen: tuple[list[str], httpx.Client]) -> None:
    files, client = kitchen
    eventually(lambda: _all_loaded(client.get("/config").json()), "the knowledge is loaded")
    there = {component for name in files for component in components(name)}
    wrong = [
        f"{component}: {asked.message!r} was answered {problem}"
        for component, every in ASKED.items()
        if component in there
        for asked in every
        if (problem := _problem(client, component, asked))
    ]
    assert wrong == []


def _all_loaded(config: dict[str, Any]) -> bool:
    return all(source["status"] == "loaded" for source in config.get("knowledge_sources", []))


def _problem(client: httpx.Client, component: str, asked: Asked) -> str | None:
    """What came back, where it is not what the shape promises."""
    form = {"message": asked.message, "stream": "false", **asked.form}
    if asked.session:
        form["session_id"] = asked.session
    pictures = {"files": ("dot.png", b"\x89PNG\r\n\x1a\n", "image/png")} if component == "agents/beholder" else None
    answer = client.post(f"/{component}/runs", data=form, files=pictures)
    body = answer.json()
    content = body.get("content") if answer.status_code == 200 else body["detail"]
    said = content if isinstance(content, str) else json.dumps(content, sort_keys=True)
    status = body["status"] if answer.status_code == 200 else str(answer.status_code)
    did = names_of_steps(body) if asked.steps else frozenset()
    holds = status == asked.status and asked.answer in said and did == asked.steps
    return None if holds else f"{status} {said[:500]} {sorted(did)}"


@pytest.mark.parametrize("fields", [{"regenerate": "true"}, {"input": "and now", "continue_from": "end"}])
def test_what_the_cookbook_does_to_a_run_that_has_ended_is_a_route(
    kitchen: tuple[list[str], httpx.Client], fields: dict[str, str]
) -> None:
    files, client = kitchen
    who = "agents/diary" if "history" in files else "teams/kitchen"
    run = client.post(f"/{who}/runs", data={"message": "it hails", "stream": "false"}).json()
    form = {"session_id": run["session_id"], "stream": "false", **fields}
    again = client.post(f"/{who}/runs/{run['run_id']}/continue", data=form)
    assert (again.status_code, again.json().get("status")) == (200, "COMPLETED"), again.text
    assert again.json()["content"] == f"You said: {fields.get('input', 'it hails')}"


@pytest.mark.parametrize("kitchen", ["teams and workflows"], indirect=True)
def test_what_is_sent_beside_a_message_waits_in_the_queue_too(
    kitchen: tuple[list[str], httpx.Client], database: Database
) -> None:
    _, client = kitchen
    form = {"message": "go", "stream": "false", "background": "true", "additional_data": '{"weather": "sun"}'}
    accepted = client.post("/workflows/garden/runs", data=form).json()
    eventually(lambda: status_of(database, accepted["run_id"]) == "COMPLETED", "the run is done")
    ((stored,),) = database.rows(f"SELECT run_data FROM agno_runs WHERE run_id = '{accepted['run_id']}'")
    assert {"by-weather", "mow"} <= names_of_steps(stored)
