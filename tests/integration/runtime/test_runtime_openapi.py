"""examples/openapi.yaml as it lies on a laptop: a model's calls become requests to a real API, and a refund waits."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
import yaml

from tests.integration.runtime.conftest import Process, a_free_port

EXAMPLES = Path(__file__).parents[3] / "examples"
TOKEN = "planted-shop-token"


class Shop(BaseHTTPRequestHandler):
    """An API that says what it was asked, and for whom."""

    asked: ClassVar[list[tuple[str, str, str]]] = []

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        self.asked.append((self.requestline.rpartition(" ")[0], body, self.headers.get("authorization", "")))
        answer = json.dumps({"order": self.path, "state": "sent", "seen": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, *_: Any) -> None:
        """pytest shows what it needs to."""


@pytest.fixture(scope="module")
def shop() -> Iterator[int]:
    """Its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def runtime(model: Process, shop: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The example with the scripted model and the API of this test; nothing tells the token."""
    folder, port = tmp_path_factory.mktemp("openapi"), a_free_port()
    document = yaml.safe_load((EXAMPLES / "openapi.yaml").read_text())
    (agent,) = document["spec"]["agents"]
    agent["model"]["baseURL"] = f"{model.url}/v1"
    agent["tools"][0]["openapi"]["baseURL"] = f"http://localhost:{shop}/v1"
    (folder / "openapi.yaml").write_text(yaml.safe_dump(document))
    shutil.copytree(EXAMPLES / "shop-api", folder / "shop-api")
    environ = {
        "OPENAI_API_KEY": "not-a-real-key",
        "SHOP_TOKEN": TOKEN,
        "AGENTOS_DATABASE_URL": f"sqlite:///{folder}/agentos.db",
    }
    command = ["agentos_runtime", "serve", "-f", str(folder / "openapi.yaml"), "--port", str(port)]
    process = Process(command, environ, folder / "log", port)
    process.wait_until("/readyz")
    yield process
    process.stop()
    assert TOKEN not in process.output


@pytest.fixture
def asked(runtime: Process) -> list[tuple[str, str, str]]:
    """What the API has been asked since a test began."""
    Shop.asked.clear()
    return Shop.asked


def post(runtime: Process, path: str, **form: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {runtime.output.splitlines()[1]}"}
    answer = httpx.post(f"{runtime.url}{path}", data={"stream": "false", **form}, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ask(runtime: Process, message: str) -> dict[str, Any]:
    return post(runtime, "/agents/orders/runs", message=message)


def test_a_call_of_the_model_is_a_request_with_the_credential_which_nobody_is_told(
    runtime: Process, asked: list[tuple[str, str, str]]
) -> None:
    run = ask(runtime, 'call getOrder {"order": "a/../7"}')
    assert asked == [("GET /v1/orders/a%2F..%2F7", "", f"Bearer {TOKEN}")]
    assert '"state": "sent"' in run["content"]
    assert TOKEN not in json.dumps(run)


def test_an_operation_that_is_excluded_cannot_be_called(runtime: Process, asked: list[tuple[str, str, str]]) -> None:
    ask(runtime, 'call deleteOrder {"order": "7"}')
    assert asked == []


def test_what_waits_for_an_approver_is_sent_once_and_after_the_yes(
    runtime: Process, asked: list[tuple[str, str, str]]
) -> None:
    run = ask(runtime, 'call refund {"order": "7", "body": {"amount": 12.5}}')
    assert (run["status"], asked) == ("PAUSED", [])
    decided = json.dumps([{"tool_call_id": run["tools"][0]["tool_call_id"], "confirmed": True}])
    done = post(runtime, f"/agents/orders/runs/{run['run_id']}/continue", session_id=run["session_id"], tools=decided)
    assert done["status"] == "COMPLETED"
    assert asked == [("POST /v1/orders/7/refunds", '{"amount": 12.5}', f"Bearer {TOKEN}")]
