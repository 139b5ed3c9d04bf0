"""docs/runtime.md: its AgentDeployment is one that a runtime takes, and its numbers are the runtime's."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from pathlib import Path

import yaml

from agentos_runtime.http.wellformed import LONGEST_ID
from agentos_spec import Limits, parse_spec

PAGE = (Path(__file__).parents[3] / "docs" / "runtime.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_limits_it_shows_are_the_defaults() -> None:
    assert parse_spec(yaml.safe_load(block("yaml"))).limits == Limits()


def test_the_limits_it_tells_are_the_runtimes() -> None:
    limits = Limits()
    text = " ".join(PAGE.split())
    for what in (
        f"headers of a request together {limits.header_bytes // 1024} KiB",
        f"nested JSON {limits.json_depth} levels",
        f"an id {LONGEST_ID} characters",
        f"{limits.body_seconds:.0f} seconds of silence",
    ):
        assert what in text


def test_the_problem_it_shows_has_the_form_of_one() -> None:
    shown = json.loads(block("json"))
    assert shown["title"] == HTTPStatus(shown["status"]).phrase
    assert set(shown) == {"type", "title", "status", "detail", "request_id"}
