"""docs/cli.md and docs/rollouts.md show commands that exist."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentosctl.cli import build_parser, main

ROOT = Path(__file__).resolve().parents[3]
TEXT = "".join((ROOT / "docs" / page).read_text() for page in ("cli.md", "rollouts.md"))
COMMANDS = re.findall(r"(?:^    |\$\()agentosctl ([^#\n)]+)", TEXT, re.MULTILINE)


def test_there_are_commands_to_try() -> None:
    known = {"status", "token", "retained", "rotate", "validate", "rollout"}
    assert {command.split()[0] for command in COMMANDS} == known


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_is_understood(command: str) -> None:
    assert build_parser().parse_args(shlex.split(command)).command


def test_the_problems_that_the_page_shows_are_those_that_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (document,) = re.findall(r"```yaml support.yaml\n(.*?)```", TEXT, re.DOTALL)
    (shown,) = re.findall(r"```\n(support.yaml:.*?)```", TEXT, re.DOTALL)
    (tmp_path / "support.yaml").write_text(document)
    monkeypatch.chdir(tmp_path)
    assert main(["validate", "-f", "support.yaml"]) == 1
    assert capsys.readouterr().out == shown


def documents() -> Iterator[tuple[str, str]]:
    """Every document of ours that a page shows, but for the one that shows what is wrong."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for text in re.findall(r"```yaml[^\n]*\n(.*?)```", page.read_text(), re.DOTALL):
            if re.search(r"^apiVersion: agentos\.hyvve\.io/", text, re.MULTILINE) and "openai-chatt" not in text:
                yield page.name, text


@pytest.mark.parametrize(("page", "text"), list(documents()))
def test_what_the_pages_show_is_valid(
    page: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    main(["validate", "-f", "-"])
    lines = capsys.readouterr().out.splitlines()
    # Some show only the part that a page is about.
    assert [line for line in lines if not line.endswith((": ok", "of another kind", "is missing; add it"))] == [], page
