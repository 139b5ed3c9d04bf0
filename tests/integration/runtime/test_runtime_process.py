"""The process: what it says when it cannot serve, how it ends, and how it runs without a cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.runtime.conftest import Launch, anew

Start = Callable[..., Any]
Agent = Callable[..., dict[str, Any]]


@pytest.fixture
def launch() -> Launch:
    """Each start is a whole one, imports and all."""
    return anew


@pytest.mark.parametrize(
    ("changes", "reason", "says"),
    [
        ({"colour": "red"}, "InvalidSpec", "spec.agents[0]: unknown field 'colour'"),
        ({"model": {"id": "opnai:gpt-4o"}}, "UnknownModelProvider", "did you mean 'openai'?"),
        ({"model": {"id": "anthropic:claude"}}, "ModelPackageMissing", "'anthropic'"),
        ({"tools": [{"toolkit": "calculatr"}]}, "UnknownToolkit", "did you mean 'calculator'?"),
        ({"tools": [{"toolkit": "duckdb"}]}, "ToolkitPackageMissing", "'duckdb'"),
        (
            {"tools": [{"toolkit": "calculator", "options": {"x": 1}}]},
            "InvalidToolOptions",
            "spec.agents[0].tools[0].options",
        ),
        (
            {"model": {"id": "openai:x", "apiKeySecretRef": {"name": "absent", "key": "k"}}},
            "SecretMissing",
            "Secret absent, key k,",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
def test_a_spec_that_cannot_be_served_ends_the_process_with_its_reason(
    start: Start, an_agent: Agent, changes: dict[str, Any], reason: str, says: str
) -> None:
    process = start(an_agent(**changes))
    assert process.process.wait(60) == 78
    assert process.last_words()["reason"] == reason
    assert says in process.last_words()["message"]
    assert "Traceback" not in process.output


def test_a_missing_variable_is_named(start: Start) -> None:
    process = start(AGENTOS_JWT_AUDIENCE="")
    assert process.process.wait(60) == 78
    assert process.last_words()["reason"] == "InvalidSettings"
    assert "AGENTOS_JWT_AUDIENCE" in process.last_words()["message"]


def test_sigterm_lets_a_stream_finish(start: Start, token: Callable[..., str]) -> None:
    process = start()
    process.wait_until("/readyz")
    form = {"message": "wait 2 a long answer", "stream": "true"}
    headers = {"Authorization": f"Bearer {token()}"}
    url = process.url + "/agents/support/runs"
    with httpx.stream("POST", url, data=form, headers=headers, timeout=60) as response:
        events = response.iter_lines()
        next(line for line in events if line == "event: RunContent")
        process.process.send_signal(signal.SIGTERM)
        rest = list(events)
    assert "event: RunCompleted" in rest
    assert process.process.wait(60) in (0, -signal.SIGTERM)


def test_every_line_of_the_log_is_json(start: Start, token: Callable[..., str]) -> None:
    process = start()
    process.wait_until("/readyz")
    headers = {"Authorization": f"Bearer {token()}", "X-Request-Id": "r-42"}
    httpx.get(process.url + "/agents/support?planted=query", headers=headers, timeout=60)
    process.stop()
    lines = [json.loads(line) for line in process.output.splitlines()]
    (line,) = [line for line in lines if line.get("request_id") == "r-42"]
    assert (line["workspace"], line["deployment"], line["method"]) == ("acme", "support", "GET")
    assert (line["path"], line["status"]) == ("/agents/{agent_id}", 200)
    assert line["duration_ms"] > 0
    assert "planted" not in process.output.replace("planted-", "")


def test_the_event_loop_is_that_of_a_pod(start: Start) -> None:
    """The operator brings uvloop to where both are installed, as here; no runtime's image has it."""
    assert find_spec("uvloop")
    process = start()
    process.wait_until("/readyz")
    assert "uvloop" not in Path(f"/proc/{process.process.pid}/maps").read_text()


def test_migrate_is_a_command_of_its_own(database: Any, start: Start) -> None:
    environ = start().environ
    command = [sys.executable, "-m", "agentos_runtime", "migrate"]
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], **environ}, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")
    assert database.rows("SELECT count(*) FROM agno_sessions") is not None


def test_a_laptop_needs_a_file_and_nothing_else(tmp_path: Path, an_agent: Agent, free_port: int) -> None:
    document = {
        "kind": "AgentDeployment",
        "metadata": {"name": "support"},
        "spec": {"agents": [an_agent()]},
    }
    (tmp_path / "support.yaml").write_text(json.dumps(document))
    command = [sys.executable, "-m", "agentos_runtime", "serve", "-f", "support.yaml", "--port", str(free_port)]
    environ = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": "planted-api-key"}
    log = tmp_path / "log"
    with log.open("wb") as out, subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=out) as process:
        try:
            answer = _ask_laptop(free_port, log, process)
        finally:
            process.send_signal(signal.SIGTERM)
    assert answer.json()["content"] == "You said: Hello"
    assert (tmp_path / "agentos.db").exists()
    assert "planted" not in log.read_text()


def _ask_laptop(port: int, log: Path, process: subprocess.Popen[bytes]) -> httpx.Response:
    """Wait for the laptop's runtime and ask it with the token it has printed."""
    url = f"http://127.0.0.1:{port}"
    transport = httpx.HTTPTransport(retries=8)  # waits 0.5 s, 1 s, 2 s … between them
    with httpx.Client(transport=transport, timeout=60) as client:
        assert client.get(url + "/readyz").status_code == 200
        found = re.search(r"^eyJ\S+$", log.read_text(), re.MULTILINE)
        assert found, log.read_text()
        assert process.poll() is None
        form = {"message": "Hello", "stream": "false"}
        headers = {"Authorization": f"Bearer {found[0]}"}
        return client.post(url + "/agents/support/runs", data=form, headers=headers)


def test_keys_that_agno_would_take_from_the_environment_are_nobodys(start: Start, token: Callable[..., str]) -> None:
    planted = "a-key-of-somebody-who-writes-agentdeployments"
    process = start(JWT_VERIFICATION_KEY=planted, JWT_JWKS_FILE="/nowhere/jwks.json", OS_SECURITY_KEY=planted)
    process.wait_until("/readyz")

    def status(bearer: str) -> int:
        headers = {"Authorization": f"Bearer {bearer}"}
        return httpx.get(process.url + "/agents", headers=headers, timeout=60).status_code

    assert status(token()) == 200
    assert status(token(secret=planted)) == 401
    assert status(planted) == 401
