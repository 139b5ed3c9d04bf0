"""Skills of an agent and of a team: what the model sees of them at once, and what it reads when it asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

SKILLS = [
    {
        "name": "take-back",
        "description": "How goods come back.",
        "instructions": "Ask for the receipt, then for the reason.",
        "references": {"terms.md": "Thirty days, in the original box.", "states.md": "All of them."},
    },
    {"name": "complain", "description": "What to do with complaints.", "instructions": "Say that you are sorry."},
]


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, runtime_of: Callable[..., AbstractContextManager[tuple[Any, Any]]]
) -> Iterator[httpx.Client]:
    teams = [{"id": "house", "members": ["support"], "skills": SKILLS}]
    with runtime_of(tmp_path_factory.mktemp("skills"), teams=teams, tools=[], skills=SKILLS) as (process, token):
        headers = {"Authorization": f"Bearer {token(scopes=['agents:run', 'teams:run'])}"}
        with httpx.Client(base_url=process.url, headers=headers, timeout=60) as client:
            yield client


@pytest.fixture(params=["agents/support", "teams/house"])
def asked(request: pytest.FixtureRequest, shop: httpx.Client) -> Callable[[str], str]:
    """What is answered to a message."""

    def ask(message: str) -> str:
        answer = shop.post(f"/{request.param}/runs", data={"message": message, "stream": "false"})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["content"])

    return ask


def read(tool: str, **arguments: Any) -> str:
    return f"call {tool} {json.dumps(arguments)}"


def test_the_model_is_told_names_and_descriptions_and_not_the_rest(asked: Callable[[str], str]) -> None:
    told = asked("system")
    for words in ("take-back", "How goods come back.", "complain", "terms.md"):
        assert words in told
    for words in ("Ask for the receipt", "Thirty days", "get_skill_script"):
        assert words not in told


def test_the_model_reads_how_it_is_done_when_it_asks(asked: Callable[[str], str]) -> None:
    assert "Ask for the receipt, then for the reason." in asked(read("get_skill_instructions", skill_name="take-back"))
    assert "complain" in asked(read("get_skill_instructions", skill_name="nothing")), "it is told what there is"


def test_the_model_reads_a_reference_and_no_file_of_the_pod(asked: Callable[[str], str]) -> None:
    def reference(path: str, skill: str = "take-back") -> str:
        return asked(read("get_skill_reference", skill_name=skill, reference_path=path))

    assert "Thirty days, in the original box." in reference("terms.md")
    for path in ("../../../etc/hostname", "/etc/hostname", "none.md"):
        assert "There is no such reference." in reference(path)
    assert "There is no such reference." in reference("terms.md", "complain")


def test_there_is_no_tool_that_reads_or_runs_scripts(asked: Callable[[str], str]) -> None:
    answer = asked(read("get_skill_script", skill_name="take-back", script_path="run.sh", execute=True))
    assert "The requested tool does not exist" in answer
