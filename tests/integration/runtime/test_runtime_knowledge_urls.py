"""Knowledge from a URL, from a real server to what an agent finds: a text that is there, and one that becomes one."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.pki import Authority, Identity
from tests.integration.runtime.conftest import Database, Process, a_free_port, agent, pod_environ, write_spec

RETURNS = "Parcels may be returned within thirty days; the refund arrives after a week."
WARRANTY = "The warranty on lamps lasts five years and covers broken switches."


class Texts(BaseHTTPRequestHandler):
    """A server of texts; a path that it has none for leads on to one of which it has."""

    def do_GET(self) -> None:
        text = {"/returns.txt": RETURNS, "/warranty.txt": WARRANTY}.get(self.path)
        self.send_response(200 if text else 302)
        body = (text or "").encode()
        self.send_header("content-length", str(len(body)))
        self.send_header("location", "/warranty.txt")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """pytest shows what it needs to."""


@pytest.fixture
def texts(tmp_path: Path) -> Iterator[str]:
    """The server's URL; its certificate is that of the authority in `tmp_path`."""
    authority = Authority.create(tmp_path / "pki")
    authority.issue(Identity("server", "localhost", hosts=("localhost",)))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority.certificate("server"), authority.key("server"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Texts)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("pgvector")
def test_a_text_behind_a_url_is_found_and_one_that_leads_elsewhere_is_told(
    tmp_path: Path,
    texts: str,
    database: Database,
    model: Process,
    a_knowledge: Callable[..., dict[str, Any]],
    token: Callable[..., str],
) -> None:
    sources = [{"url": f"{texts}/returns.txt"}, {"url": f"{texts}/moved.txt"}]
    write_spec(tmp_path, agent(model.url, knowledge="handbook", tools=[]), knowledge=[a_knowledge(sources=sources)])
    command = ["tests.integration.runtime.trusting", str(tmp_path / "pki" / "ca.crt"), "serve", "--port"]
    port = a_free_port()
    process = Process([*command, str(port)], pod_environ(tmp_path, database), tmp_path / "log", port)
    try:
        process.wait_until("/readyz")
        headers = {"Authorization": f"Bearer {token(scopes=['agents:run', 'config:read', 'knowledge:read'])}"}
        with httpx.Client(base_url=process.url, headers=headers, timeout=60) as client:
            (told,) = loaded(client, process)
            assert (told["status"], told["texts"]) == ("failed", 1)
            assert told["message"] == f"{texts}/moved.txt: its answer was 302"
            message = "call search_knowledge_base " + json.dumps({"query": "when are refunds paid"})
            run = client.post("/agents/support/runs", data={"message": message, "stream": "false"}).json()
            assert RETURNS in run["content"]
            assert WARRANTY not in run["content"]
    finally:
        process.stop()


def loaded(client: httpx.Client, process: Process) -> list[dict[str, Any]]:
    """What /config says of the sources once they were read."""
    deadline = time.monotonic() + 60
    while True:
        told: list[dict[str, Any]] = client.get("/config").json()["knowledge_sources"]
        if told[0]["status"] != "loading":
            return told
        assert time.monotonic() < deadline, process.output
        time.sleep(0.1)
