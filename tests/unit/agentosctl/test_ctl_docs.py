"""docs/cli.md and docs/rollouts.md show commands that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from agentosctl.cli import build_parser

DOCS = Path(__file__).resolve().parents[3] / "docs"
TEXT = "".join((DOCS / page).read_text() for page in ("cli.md", "rollouts.md"))
COMMANDS = re.findall(r"(?:^    |\$\()agentosctl ([^#\n)]+)", TEXT, re.MULTILINE)


def test_there_are_commands_to_try() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"status", "token", "retained", "rotate", "rollout"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_is_understood(command: str) -> None:
    assert build_parser().parse_args(shlex.split(command)).command
