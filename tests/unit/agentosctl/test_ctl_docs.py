"""docs/cli.md shows commands that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from agentosctl.cli import build_parser, main

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text()
COMMANDS = re.findall(r"(?:^    |\$\()agentosctl ([^#\n)]+)", TEXT, re.MULTILINE)


def test_there_are_commands_to_try() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"status", "token", "retained", "rotate", "validate"}


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
