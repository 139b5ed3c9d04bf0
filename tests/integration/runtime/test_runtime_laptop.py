"""What a laptop has beside `serve`: a runtime that follows its document, and a chat in the terminal."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.forks import Forks
from tests.integration.apiserver import eventually
from tests.integration.runtime.conftest import Process, a_free_port, agent, write_spec

KEY = {"OPENAI_API_KEY": "not-a-real-key"}
LAPTOP = {name: value for name, value in os.environ.items() if not name.startswith("AGENTOS_")} | KEY


def document(folder: Path, model: Process, **changes: Any) -> Path:
    """A document with one agent, as it lies on a laptop."""
    return write_spec(folder, agent(model.url, **{"tools": [], **changes}))


@pytest.fixture
def following(tmp_path: Path, model: Process) -> Iterator[Process]:
    """`serve --reload` on a document with an agent called first."""
    port = a_free_port()
    file = document(tmp_path, model, id="first")
    environ = {**KEY, "AGENTOS_DATABASE_URL": f"sqlite:///{tmp_path}/agentos.db"}
    command = ["agentos_runtime", "serve", "-f", str(file), "--port", str(port), "--reload"]
    process = Process(command, environ, tmp_path / "log", port)
    process.wait_until("/readyz")
    yield process
    process.stop()


def agents(runtime: Process) -> list[str]:
    """Ids of those that answer, asked with the token that was printed at the start."""
    token = runtime.output.splitlines()[1]
    try:
        answer = httpx.get(f"{runtime.url}/agents", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    except httpx.TransportError:
        return []
    return [each["id"] for each in answer.json()] if answer.status_code == 200 else []


def test_a_changed_document_is_served_anew_with_the_same_token_and_a_broken_one_waits_for_its_repair(
    following: Process, tmp_path: Path, model: Process
) -> None:
    assert agents(following) == ["first"]
    document(tmp_path, model, id="second")
    eventually(lambda: agents(following) == ["second"], "the second one is served")
    (tmp_path / "agent-deployment.yaml").write_text("kind: Nonsense\n")
    eventually(lambda: "Waiting for the document to change." in following.output, "it waits")
    document(tmp_path, model, id="third")
    eventually(lambda: agents(following) == ["third"], "the third one is served")
    assert following.output.count("Development token") == 1


def test_what_the_token_of_a_laptop_can_read(following: Process) -> None:
    """Everything that a run leaves behind for its user, in SQLite as in a cluster's PostgreSQL."""
    headers = {"Authorization": f"Bearer {following.output.splitlines()[1]}"}
    with httpx.Client(base_url=following.url, headers=headers, timeout=60) as client:
        assert client.post("/agents/first/runs", data={"message": "hello", "stream": "false"}).status_code == 200
        left = {path: client.get(path).status_code for path in ("/sessions", "/memories", "/learnings", "/approvals")}
    assert left == dict.fromkeys(left, 200)


def chat(folder: Path, file: Path, *arguments: str, said: str) -> subprocess.CompletedProcess[str]:
    """`agentos-runtime chat`, with what a person types."""
    return subprocess.run(
        [sys.executable, "-m", "agentos_runtime", "chat", "-f", str(file), *arguments],
        input=said,
        env=LAPTOP,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def talk(runtimes: Forks, tmp_path: Path) -> Callable[..., str]:
    """The same without the seconds of its imports, which one of these tests is enough for; all that it writes."""
    logs = (tmp_path / f"chat-{number}" for number in itertools.count())

    def talk(file: Path, *arguments: str, said: str) -> str:
        database, log = {"AGENTOS_DATABASE_URL": f"sqlite:///{tmp_path}/agentos.db"}, next(logs)
        chatting = runtimes.start(["chat", "-f", str(file), *arguments], LAPTOP | database, log, said)
        assert chatting.wait(120) == 0, log.read_text()
        return log.read_text()

    return talk


@pytest.mark.parametrize(("decision", "answer"), [("y", '"result": 3.0'), ("n", "The user has said no.")])
def test_a_call_that_waits_is_decided_in_the_terminal(
    talk: Callable[..., str], tmp_path: Path, model: Process, decision: str, answer: str
) -> None:
    waiting = [{"toolkit": "calculator", "requiresConfirmation": ["divide"]}]
    written = talk(document(tmp_path, model, tools=waiting), said=f'call divide {{"a": 6, "b": 2}}\n{decision}\n')
    assert "divide({'a': 6, 'b': 2})?" in written
    assert answer in written


def test_a_call_of_a_teams_member_that_waits_is_decided_in_the_terminal(tmp_path: Path, model: Process) -> None:
    waiting = [{"toolkit": "calculator", "requiresConfirmation": ["divide"]}]
    member = agent(model.url, id="clerk", tools=waiting)
    file = write_spec(tmp_path, member, teams=[{"id": "desk", "model": member["model"], "members": ["clerk"]}])
    task = json.dumps({"member_id": "clerk", "task": 'call divide {"a": 6, "b": 2}'})
    done = chat(tmp_path, file, "desk", said=f"call delegate_task_to_member {task}\ny\n")
    assert "Let clerk call divide({'a': 6, 'b': 2})?" in done.stdout
    assert '"result": 3.0' in done.stdout.replace("\\", "")
    assert done.returncode == 0, done.stderr


EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    ("answers", "there", "absent"),
    [
        (("y", "y"), ["Send it to the customer?", '"result": 3.0'], "cancelled"),
        (("n", "n"), ["Workflow cancelled: Step 'send' was rejected"], '"result"'),
    ],
)
def test_the_example_of_a_workflow_that_waits_is_decided_in_the_terminal(
    tmp_path: Path, model: Process, answers: tuple[str, str], there: list[str], absent: str
) -> None:
    """A call, a way and a step wait, in this order; an answer that does not fit is asked for again."""
    example = yaml.safe_load((EXAMPLES / "approvals.yaml").read_text())
    for each in example["spec"]["agents"]:
        each["model"]["baseURL"] = f"{model.url}/v1"
    file = tmp_path / "approvals.yaml"
    file.write_text(yaml.safe_dump(example))
    first, last = answers
    said = f'call divide {{"a": 6, "b": 2}}\n{first}\nfax\nletter\n{last}\n'
    done = chat(tmp_path, file, "refunds", said=said)
    assert done.returncode == 0, done.stderr
    assert "Let clerk call divide({'a': 6, 'b': 2})?" in done.stdout
    assert "There are letter, note." in done.stdout
    words = " ".join(done.stdout.replace("\\", "").split())
    assert [word for word in there if word not in words] == []
    assert absent not in words


def test_what_a_step_asks_its_user_for_is_typed_in_the_terminal(tmp_path: Path, model: Process) -> None:
    fields = [{"name": "amount", "fieldType": "int", "description": "How much?"}, {"name": "why", "required": False}]
    review = {"requiresUserInput": True, "userInputSchema": fields}
    teller = agent(model.url, id="teller", tools=[])
    steps = [{"name": "tell", "agent": "teller", "humanReview": review}]
    file = write_spec(tmp_path, teller, workflows=[{"id": "order", "steps": steps}])
    done = chat(tmp_path, file, "order", said="a cup\nmuch\n3\n\n")
    assert done.returncode == 0, done.stderr
    assert "It takes a value of the type int." in done.stdout
    assert "amount: 3" in done.stdout


def test_a_conversation_goes_on_where_it_was_left(talk: Callable[..., str], tmp_path: Path, model: Process) -> None:
    file = document(tmp_path, model)
    assert "You said: first words" in talk(file, said="first words\n")
    assert "Before this you said: first words" in talk(file, said="history\n")
    assert "nothing" in talk(file, "--session", "another", said="history\n")


def test_nobody_of_that_name_is_told_with_who_was_meant(tmp_path: Path, model: Process) -> None:
    done = chat(tmp_path, document(tmp_path, model, id="support"), "suport", said="")
    assert done.returncode == 78
    assert "did you mean 'support'?" in done.stderr


@pytest.mark.parametrize("arguments", [["serve", "--reload"], ["chat"]])
def test_a_pod_has_neither(tmp_path: Path, model: Process, arguments: list[str]) -> None:
    in_a_pod = {
        **LAPTOP,
        "AGENTOS_WORKSPACE": "acme",
        "AGENTOS_DEPLOYMENT": "support",
        "AGENTOS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "AGENTOS_DATABASE_SCHEMA": "none",
        "AGENTOS_JWT_VERIFICATION_SECRETS": "x" * 32,
        "AGENTOS_JWT_AUDIENCE": "acme",
        "AGENTOS_TERMINATION_LOG": str(tmp_path / "words"),
    }
    command = [sys.executable, "-m", "agentos_runtime", *arguments, "-f", str(document(tmp_path, model))]
    done = subprocess.run(command, env=in_a_pod, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78
    assert "is for a laptop" in (tmp_path / "words").read_text()
