"""How an agent uses knowledge: what is searched, what a caller can change about it, and what a model adds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.integration.runtime.conftest import (
    Database,
    Launch,
    Process,
    agent,
    make_token,
    pod_environ,
    start_runtime,
    write_spec,
)
from tests.integration.runtime.test_runtime_knowledge import RETURNS, WARRANTY, Deployment, write

pytestmark = pytest.mark.usefixtures("pgvector")

NARROW = "configMap/handbook/returns.md"
ABOUT_LAMPS = "How long is the warranty on lamps?"


@pytest.fixture(scope="module")
def desk(
    tmp_path_factory: pytest.TempPathFactory,
    database: Database,
    model: Process,
    forked: Launch,
    a_knowledge: Callable[..., dict[str, Any]],
    pgvector: Any,
) -> Iterator[Deployment]:
    """Agents and teams that use the same texts in different ways."""
    folder = tmp_path_factory.mktemp("use")
    write(folder, {"returns.md": RETURNS, "warranty.md": WARRANTY})

    def searching(id_: str, **fields: Any) -> dict[str, Any]:
        return agent(model.url, id=id_, knowledge="handbook", tools=[], **fields)

    agents = [
        searching("plain"),
        searching("narrow", knowledgeFilters={"source": NARROW}),
        searching("is-told", knowledgeFilters={"source": NARROW}, addKnowledgeToContext=True, referencesFormat="yaml"),
        searching("never", knowledgeFilters={"shelf": 7}),
        searching("chooses", enableAgenticKnowledgeFilters=True),
        searching("writes", updateKnowledge=True),
        searching("reads-yaml", referencesFormat="yaml"),
    ]
    led = {key: value for key, value in searching("house").items() if key != "tools"} | {"members": ["narrow"]}
    teams = [
        led | {"updateKnowledge": True},
        led | {"id": "narrow-house", "knowledgeFilters": {"source": NARROW}, "referencesFormat": "yaml"},
    ]
    body = a_knowledge(sources=[{"configMap": {"name": "handbook"}}])
    write_spec(folder, *agents, teams=teams, knowledge=[body])
    environ = pod_environ(folder, database, AGENTOS_KNOWLEDGE_DIR=str(folder / "knowledge"))
    process = start_runtime(folder, environ, forked)
    process.wait_until("/readyz")
    deployment = Deployment(process, make_token)
    deployment.loads()
    yield deployment
    process.stop()


def asked(desk: Deployment, who: str, message: str, user: str = "alice", *, folded: bool = True, **form: str) -> str:
    """What is answered to a message; YAML folds long lines."""
    answer = desk.ask("POST", f"/{who}/runs", user, data={"message": message, "stream": "false", **form})
    assert answer.status_code == 200, answer.text
    return " ".join(str(answer.json()["content"]).split()) if folded else str(answer.json()["content"])


def search(query: str, **more: Any) -> str:
    return "call search_knowledge_base " + json.dumps({"query": query, **more})


def adding(query: str, result: str) -> str:
    return "call add_to_knowledge " + json.dumps({"query": query, "result": result})


@pytest.mark.parametrize("who", ["agents/narrow", "teams/narrow-house"])
def test_an_agent_finds_only_what_its_filters_let_it(desk: Deployment, who: str) -> None:
    assert WARRANTY in asked(desk, "agents/plain", search(ABOUT_LAMPS))
    found = asked(desk, who, search(ABOUT_LAMPS))
    assert RETURNS in found
    assert WARRANTY not in found


@pytest.mark.parametrize(
    "filters",
    [
        {"source": "configMap/handbook/warranty.md"},
        {"op": "EQ", "key": "source", "value": "configMap/handbook/warranty.md"},
        [{"op": "NOT", "condition": {"op": "EQ", "key": "source", "value": NARROW}}],
    ],
)
@pytest.mark.parametrize("who", ["agents/narrow", "teams/narrow-house"])
def test_a_caller_does_not_widen_the_filters_of_an_agent(desk: Deployment, who: str, filters: Any) -> None:
    found = asked(desk, who, search(ABOUT_LAMPS), knowledge_filters=json.dumps(filters))
    assert WARRANTY not in found


def test_a_caller_narrows_a_search_further(desk: Deployment) -> None:
    further = json.dumps({"shelf": 7})
    assert "No documents found" in asked(desk, "agents/narrow", search("refund"), knowledge_filters=further)
    warranty = json.dumps({"source": "configMap/handbook/warranty.md"})
    assert WARRANTY in asked(desk, "agents/plain", search("refund"), knowledge_filters=warranty)


def test_filters_hold_for_what_is_sent_along_with_a_question_too(desk: Deployment) -> None:
    told = asked(desk, "agents/is-told", ABOUT_LAMPS)
    assert RETURNS in told
    assert WARRANTY not in told


def test_a_filter_that_no_text_has_finds_nothing_instead_of_everything(desk: Deployment) -> None:
    assert "No documents found" in asked(desk, "agents/never", search(ABOUT_LAMPS))
    unknown = [{"key": "shelf", "value": 7}]
    assert "No documents found" in asked(desk, "agents/chooses", search(ABOUT_LAMPS, filters=unknown))


def test_a_model_narrows_its_search_where_it_may(desk: Deployment) -> None:
    chosen = [{"key": "source", "value": NARROW}]
    assert WARRANTY in asked(desk, "agents/chooses", search(ABOUT_LAMPS))
    assert RETURNS in asked(desk, "agents/chooses", search(ABOUT_LAMPS, filters=chosen))


def test_a_model_is_told_by_what_it_may_narrow_and_neither_other_users_words_nor_marks_of_ours(
    desk: Deployment,
) -> None:
    form = {"text_content": "The xylophone.", "name": "x", "metadata": '{"planted_shelf": 7}'}
    content = desk.ask("POST", "/knowledge/content", data=form).json()["id"]
    desk.until(lambda: desk.status(content)["status"] == "completed", content)
    told = asked(desk, "agents/chooses", "system")
    assert "planted_shelf" in told
    assert "source" in told
    assert "_agno" not in told
    assert "planted_shelf" not in asked(desk, "agents/chooses", "system", "bob")


@pytest.mark.parametrize("who", ["agents/reads-yaml", "teams/narrow-house"])
def test_what_is_found_is_read_in_the_form_that_is_declared(desk: Deployment, who: str) -> None:
    found = asked(desk, who, search("refund parcels"), folded=False).removeprefix("The tool answered: ")
    (entry,) = yaml.safe_load(found)
    assert entry["content"] == RETURNS
    with pytest.raises(json.JSONDecodeError):
        json.loads(found)


@pytest.mark.parametrize("who", ["agents/writes", "teams/house"])
def test_what_a_model_adds_is_found_by_its_user_alone(desk: Deployment, who: str) -> None:
    place = f"cellar of {who}"
    answer = asked(desk, who, adding(f"Where is the bassoon of {who}?", f"The bassoon is in the {place}"))
    assert "Successfully added" in answer
    assert place in asked(desk, who, search(f"bassoon {place}"))
    assert place in asked(desk, "agents/plain", search(f"bassoon {place}")), "it is the deployment's knowledge"
    assert place not in asked(desk, who, search(f"bassoon {place}"), "bob")


def test_what_a_model_adds_about_the_same_question_replaces_its_earlier_words(desk: Deployment) -> None:
    for shelf in ("red", "blue"):
        asked(desk, "agents/writes", adding("Where is the oboe?", f"The oboe is on the {shelf} shelf"))
    found = desk.finds("oboe shelf", max_results=9)
    assert [text for text in found if "red shelf" in text] == []
    assert [text for text in found if "blue shelf" in text] != []


def test_a_model_that_may_not_add_has_no_tool_for_it(desk: Deployment) -> None:
    before = desk.ask("GET", "/knowledge/content").json()["meta"]["total_count"]
    asked(desk, "agents/plain", adding("Where is the harp?", "The harp is gone"))
    assert desk.ask("GET", "/knowledge/content").json()["meta"]["total_count"] == before


def test_a_model_is_told_when_what_it_adds_cannot_be_kept(desk: Deployment, database: Database) -> None:
    ((table,),) = database.rows("SELECT tablename FROM pg_tables WHERE tablename LIKE 'agentos\\_knowledge\\_%'")
    database.execute(f"ALTER TABLE {table} ADD CONSTRAINT no_harps CHECK (content NOT LIKE '%harp%')")
    answer = asked(desk, "agents/writes", adding("Where is the harp?", "The harp is gone"))
    database.execute(f"ALTER TABLE {table} DROP CONSTRAINT no_harps")
    assert "Error adding to knowledge base" in answer
