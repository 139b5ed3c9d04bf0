"""docs/approvals.md shows a spec that is served and commands that work, one after the other."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

PAGE = Path("docs/approvals.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.usefixtures("postgres")
def test_the_commands_of_the_page_work_with_its_spec(
    tmp_path_factory: pytest.TempPathFactory, runtime_of: Callable[..., Any]
) -> None:
    folder = tmp_path_factory.mktemp("docs")
    parts: dict[str, Any] = {}
    for block in blocks("yaml"):
        parts |= yaml.safe_load(block)
    assert parts.keys() == {"tools", "workflows"}
    with runtime_of(folder, teams=[{"id": "desk", "members": ["support"]}], **parts) as (process, token):
        variables = {
            "URL": process.url,
            "ALICE": token(scopes=["agents:run", "teams:run", "workflows:run", "approvals:read"]),
            "CAROL": token(sub="carol", scopes=["approvals:read", "approvals:write"]),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        }
        commands = blocks("sh")
        assert len(commands) == 7
        script = "set -eo pipefail\n" + "\n".join(commands)
        done = subprocess.run(
            ["bash", "-c", script], env=variables, cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
