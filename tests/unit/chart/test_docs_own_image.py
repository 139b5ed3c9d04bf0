"""docs/own-image.md and its examples: what a pod is given is what they say, and what they run works."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import yaml
from agno.exceptions import OutputCheckError
from agno.run.agent import RunOutput

from agentos_operator.desired.deployment import PRE_STOP_SECONDS, TERMINATION_SECONDS
from agentos_runtime.agents.hooks import OF_CALLS, OF_RUNS, compile_hooks
from agentos_runtime.agents.toolkits import compile_toolkit
from agentos_spec import ToolkitSpec, parse_spec

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "own-image.md").read_text()
IMAGE, APPLICATION = ROOT / "examples" / "own-image", ROOT / "examples" / "own-application"
GOLDEN = ROOT / "tests" / "unit" / "operator" / "golden"
SECRET = "s" * 43


def pods() -> Iterator[tuple[str, Any]]:
    """The pod of every golden Deployment, by its case."""
    for case in GOLDEN.iterdir():
        for body in yaml.safe_load_all((case / "output.yaml").read_text()):
            if body["kind"] == "Deployment":
                yield case.name, body["spec"]["template"]["spec"]


def instructions(dockerfile: Path) -> list[str]:
    """Its lines without comments."""
    return [line for line in dockerfile.read_text().splitlines() if line and not line.startswith("#")]


@pytest.fixture
def own_tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package of the example can be imported, as in its image."""
    monkeypatch.syspath_prepend(str(IMAGE))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("agentos_tools", "agentos_hooks")]:
        del sys.modules[name]


def test_the_page_names_every_variable_and_mount_that_a_pod_can_have() -> None:
    told = set(re.findall(r"`(AGENTOS_\w+|HOME)`", TEXT))
    given, mounts = set(), set()
    for _, pod in pods():
        (container,) = pod["containers"]
        given |= {each["name"] for each in container["env"] if each["name"].startswith(("AGENTOS_", "HOME"))}
        mounts |= {re.sub(r"(?<=/knowledge/).*", "", each["mountPath"]) for each in container["volumeMounts"]}
    assert told == given
    assert all(f"`{mount}" in TEXT for mount in mounts)


def test_the_page_tells_the_probes_and_the_end_as_they_are() -> None:
    _, pod = next(pods())
    (container,) = pod["containers"]
    startup, ready, live = (container[f"{name}Probe"] for name in ("startup", "readiness", "liveness"))
    assert f"Asked every second until it first succeeds, for {startup['failureThreshold']} seconds" in TEXT
    assert f"Asked every {ready['periodSeconds']} seconds; two failures" in TEXT
    assert f"then every {live['periodSeconds']}; three failures" in TEXT
    assert (ready["failureThreshold"], live["failureThreshold"]) == (2, 3)
    assert f"Comes {PRE_STOP_SECONDS} seconds after" in TEXT
    assert f"{TERMINATION_SECONDS - PRE_STOP_SECONDS} seconds later" in TEXT
    assert str(pod["securityContext"]["runAsUser"]) in TEXT


def test_the_dockerfile_is_short_and_stands_in_the_page() -> None:
    lines = instructions(IMAGE / "Dockerfile")
    assert len(lines) <= 10
    assert "\n".join(lines) in TEXT
    assert not any(line.startswith(("ENTRYPOINT", "CMD", "USER")) for line in lines), "those of the runtime stay"


def test_the_example_names_a_toolkit_that_the_image_has(own_tools: None) -> None:
    document = yaml.safe_load((IMAGE / "agent-deployment.yaml").read_text())
    (tool,) = parse_spec(document).agents[0].tools
    assert isinstance(tool, ToolkitSpec)
    toolkit = compile_toolkit(tool)
    every = toolkit.functions | toolkit.async_functions
    assert {name for name, each in every.items() if each.requires_confirmation} == {"refund"}
    assert set(every) == {"order_status", "refund"}
    (shown,) = re.findall(r"(?ms)^```yaml agent-deployment.yaml\n(.*?)^```$", TEXT)
    for field in ("tools", "postHooks"):
        assert yaml.safe_load(shown)["spec"]["agents"][0][field] == document["spec"]["agents"][0][field]


async def test_the_function_of_the_page_is_the_examples(own_tools: None) -> None:
    shown, *_ = re.findall(r"(?ms)^```python\n(.*?)^```$", TEXT)
    assert shown in (IMAGE / "agentos_tools" / "orders.py").read_text()
    orders = importlib.import_module("agentos_tools.orders")
    assert orders.order_status("1001") == "shipped"
    assert await orders.refund("1001", 2) == "2.00 EUR of order 1001 were paid back"
    assert await orders.refund("9", 2) == orders.order_status("9") == "there is no such order"


async def test_the_hook_of_the_page_is_the_examples_and_refuses_what_it_says(own_tools: None) -> None:
    _, shown, _ = re.findall(r"(?ms)^```python\n(.*?)^```$", TEXT)
    assert shown in (IMAGE / "agentos_hooks" / "answers.py").read_text()
    (agent,) = parse_spec(yaml.safe_load((IMAGE / "agent-deployment.yaml").read_text())).agents
    (hook,) = compile_hooks(agent)["post_hooks"]
    await hook(run_output=RunOutput(content="order 1001 of 2026-11-29 costs 12.50 EUR"))
    refused = "Refused by the hook answers.no_card_numbers: an answer holds no card numbers"
    assert refused in TEXT
    for number in ("4111111111111111", "4111 1111 1111 1111"):
        with pytest.raises(OutputCheckError, match=refused):
            await hook(run_output=RunOutput(content=f"the card {number}"))


def test_the_page_tells_every_argument_of_a_hook() -> None:
    rows = {line.split("|")[1].strip(" `"): line for line in TEXT.splitlines() if re.match(r"\| `\w+Hooks` ", line)}
    told = {field: set(re.findall(r"`(\w+)`", row.split("|")[3])) for field, row in rows.items()}
    assert told["preHooks"] == OF_RUNS | {"run_input", "agent", "team"}
    assert told["postHooks"] == {"run_output", "run_input"}
    assert told["toolHooks"] == OF_CALLS


async def test_the_hook_around_calls_of_the_page_hands_on_what_the_tool_says() -> None:
    *_, shown = re.findall(r"(?ms)^```python\n(.*?)^```$", TEXT)
    names: dict[str, Any] = {"log": logging.getLogger("shown")}
    exec(shown, names)

    async def tool(order: str) -> str:
        return f"{order} is shipped"

    assert await names["logged"]("order_status", tool, {"order": "1001"}) == "1001 is shipped"


def test_the_application_starts_on_the_port_with_a_user_that_the_pod_has() -> None:
    lines = instructions(APPLICATION / "Dockerfile")
    assert len(lines) <= 10
    assert any("--port 7777" in line and "exec uvicorn app:app" in line for line in lines)
    assert "USER 65532:65532" in lines


@pytest.fixture
async def application(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the example's application, in the environment of a pod."""
    for name, value in {
        "AGENTOS_JWT_VERIFICATION_SECRETS": f"{'o' * 43} {SECRET}",
        "AGENTOS_JWT_AUDIENCE": "uid",
        "AGENTOS_JWT_ISSUER": "agentos.hyvve.io",
        "AGENTOS_WORKSPACE": "acme",
    }.items():
        monkeypatch.setenv(name, value)
    found = importlib.util.spec_from_file_location("own_application", APPLICATION / "app.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "own_application", module)
    found.loader.exec_module(module)
    transport = httpx.ASGITransport(app=module.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
        yield client


def token(secret: str = SECRET, **changes: Any) -> dict[str, str]:
    now = int(time.time())
    claims = {"iss": "agentos.hyvve.io", "aud": "uid", "sub": "alice", "workspace_id": "acme", "iat": now}
    return {"Authorization": f"Bearer {jwt.encode({**claims, 'exp': now + 60, **changes}, secret, 'HS256')}"}


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_the_application_answers_the_probes_without_a_token(application: httpx.AsyncClient, path: str) -> None:
    assert (await application.get(path)).status_code == 200


async def test_the_application_lets_the_workspaces_tokens_in(application: httpx.AsyncClient) -> None:
    assert (await application.get("/quote", headers=token())).json()["to"] == "alice"
    assert (await application.get("/quote", headers=token("o" * 43))).status_code == 200, "while one is replaced"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        token("x" * 43),
        token(workspace_id="globex"),
        token(aud="another"),
        token(iss="another"),
        token(exp=1),
        {"Authorization": f"Bearer {jwt.encode({'sub': 'alice', 'workspace_id': 'acme'}, SECRET, 'HS256')}"},
    ],
)
async def test_the_application_lets_no_other_token_in(application: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await application.get("/quote", headers=headers)).status_code == 401
