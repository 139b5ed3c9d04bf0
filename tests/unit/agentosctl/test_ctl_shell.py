"""The installed command as a shell starts it."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from agentosctl import duration

SCRIPTS = Path(sys.executable).parent


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_help_imports_neither_kubernetes_nor_jwt() -> None:
    code = (
        "import sys, contextlib\n"
        "from agentosctl.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "print(sorted({'kubernetes', 'jwt', 'yaml', 'urllib3'} & sys.modules.keys()))"
    )
    assert run(sys.executable, "-c", code).splitlines()[-1] == "[]"


def test_the_kubectl_plugin_calls_itself_by_what_was_typed() -> None:
    assert run(str(SCRIPTS / "kubectl-agentos"), "--help").startswith("usage: kubectl agentos ")
    assert run(str(SCRIPTS / "agentosctl"), "--help").startswith("usage: agentosctl ")
    assert run(sys.executable, "-m", "agentosctl", "--help").startswith("usage: agentosctl ")


def test_a_reader_that_stops_early_is_no_error() -> None:
    code = (
        "import os, sys\n"
        "from agentosctl.cli import main\n"
        "class Empty:\n"
        "    def list(self, *a, **k): return []\n"
        "read, write = os.pipe()\n"
        "os.dup2(write, 1); os.close(read); os.close(write)\n"
        "sys.exit(main(['status'], connect=lambda *_: Empty()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("1h30m5s", 5405), ("0s", 0)])
def test_durations_as_people_write_them(text: str, seconds: int) -> None:
    assert duration.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", "m", "15min", "-5m", "1.5h", "5m1h", "٣m", "9999999h"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        duration.parse(text)
