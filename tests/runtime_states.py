"""Stands for the port of a pod where the operator asks for `/state`: an address of this machine, and any answer."""

from __future__ import annotations

import json
import random
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from agentos_operator.naming import METRICS_PORT


class Pod:
    """One of them; what it answers may be changed at any time."""

    def __init__(self) -> None:
        # Every test process may have as many as it likes: Linux answers at all of 127.0.0.0/8.
        self.address = ".".join(["127", *(str(random.randint(1, 254)) for _ in range(3))])
        self.requests: list[bytes] = []
        self.answer: Callable[[Any], None] = lambda connection: None

    def says(self, document: Mapping[str, Any], head: str = "200 OK") -> None:
        """Answer with a document."""
        text = f"HTTP/1.0 {head}\r\nContent-Type: application/json\r\n\r\n{json.dumps(document)}".encode()
        self.answer = lambda connection: connection.sendall(text)

    def says_of(self, status: str, message: str = "", server: str = "docs", **versions: str) -> None:
        """Answer as a runtime whose one MCP server is in this state."""
        told = {"name": server, "status": status, "message": message}
        self.says({"version": "0.1.0", "agno": "3.1.10", **versions, "mcpServers": [told]})


@contextmanager
def listening() -> Iterator[Pod]:
    """A pod that answers for the length of a block."""
    pod = Pod()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            pod.requests.append(self.request.recv(4096))
            try:
                pod.answer(self.request)
            except OSError:
                return  # who asked has heard enough

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

    with Server((pod.address, METRICS_PORT), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield pod
        finally:
            server.shutdown()
            thread.join()
