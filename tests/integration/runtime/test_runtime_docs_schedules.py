"""docs/schedules.md shows a spec that is served, commands that work, and the numbers of the code."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from agentos_runtime.schedules.records import KEPT_SECONDS
from agentos_runtime.schedules.scheduler import GRACE_SECONDS, LATE_SECONDS
from agentos_spec import parse_spec
from agentos_spec.schedules import MOST_SCHEDULES
from tests.integration.runtime.test_runtime_interrupted import eventually

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "schedules.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_commands_of_the_page_work_with_its_spec(
    tmp_path: Path, runtime_of: Callable[..., Any], database: Any
) -> None:
    (text,) = blocks("yaml")
    document = yaml.safe_load(text)
    assert [schedule.suspended for schedule in parse_spec(document).schedules] == [False, True]
    with runtime_of(tmp_path, schedules=document["spec"]["schedules"]) as (process, token):
        eventually(lambda: len(database.rows("SELECT 1 FROM agno_schedules")) == 2)
        variables = {
            "URL": process.url,
            "ADMIN": token(sub="carol", scopes=["agent_os:admin"]),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        }
        commands = blocks("sh")
        assert len(commands) == 3
        bash = ["bash", "-c", "set -eo pipefail\n" + "\n".join(commands)]
        done = subprocess.run(
            bash,
            env=variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count('"support.digest"') == 1
        assert '"run_id"' in done.stdout


def test_the_example_is_one_that_a_runtime_takes() -> None:
    document = yaml.safe_load((ROOT / "examples" / "schedules.yaml").read_text())
    assert [schedule.target for schedule in parse_spec(document).schedules] == ["reporter"]


def test_the_numbers_it_tells_are_the_runtimes() -> None:
    assert f"Up to {MOST_SCHEDULES} schedules." in PAGE
    assert (LATE_SECONDS, GRACE_SECONDS, KEPT_SECONDS) == (3600, 60, 30 * 24 * 3600)
    assert "back within an hour of a time" in PAGE
    assert "Another begins it, about a minute later." in PAGE
    assert "for 30 days" in PAGE
