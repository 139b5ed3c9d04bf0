"""Stands between the operator and the API server: counts requests, loses answers, refuses, ends the operator after a
write. Plain HTTP towards the operator, on loopback.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

import yaml

from tests.integration.apiserver import ApiServer

QUIET_SECONDS = 1.0
WRITES = ("POST", "PUT", "PATCH", "DELETE")
_HOP = ("host", "accept-encoding")
"""Headers that are not passed on: answers stay readable here."""


@dataclass(frozen=True)
class Request:
    """One request of the operator."""

    method: str
    path: str
    """Without the query."""

    @property
    def is_write(self) -> bool:
        """Whether it may change an object, other than the Lease."""
        return self.method in WRITES and "/leases" not in self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """What the operator gets instead of the API server's answer; None as a status cuts the connection."""

    status: int | None
    headers: tuple[tuple[str, str], ...] = ()


Rule = Callable[[Request], Answer | None]


def _pass(_: Request) -> Answer | None:
    return None


class Proxy:
    """Forwards every request, unless a rule says otherwise."""

    def __init__(self, api: ApiServer, *, before: Rule = _pass, after: Rule = _pass) -> None:
        self.before = before
        """Asked before a request is forwarded; its answer keeps the request from the API server."""
        self.after = after
        """Asked after the API server has done as it was told; its answer replaces the real one."""
        self.requests: list[Request] = []
        self._last = time.monotonic()
        self.upstream = urlsplit(f"https://{api.plane.address}:{api.plane.port}")
        authority = yaml.safe_load(api.kubeconfig.read_text())["clusters"][0]["cluster"]["certificate-authority-data"]
        self.tls = ssl.create_default_context(cadata=b64decode(authority).decode())
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Where the operator finds it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def writes(self) -> list[str]:
        """Everything that may have changed an object."""
        return [str(request) for request in self.requests if request.is_write]

    def count(self, method: str, path: str) -> int:
        """How often this was requested."""
        return self.requests.count(Request(method, path))

    def is_quiet(self) -> bool:
        """Whether nothing but the Lease was touched for a while."""
        return time.monotonic() - self._last > QUIET_SECONDS

    def note(self, request: Request) -> None:
        """Remember a request."""
        self.requests.append(request)
        if "/leases" not in request.path:
            self._last = time.monotonic()

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection of the operator."""

        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            """Serve the connection; an operator that was killed leaves it as it is."""
            with suppress(OSError):
                super().handle()

        def log_message(self, format: str, *args: object) -> None:
            """The tests look at ``requests``."""

        def _serve(self) -> None:
            request = Request(self.command, urlsplit(self.path).path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.note(request)
            if (answer := proxy.before(request)) is not None:
                self._answer(answer)
                return
            upstream = http.client.HTTPSConnection(
                proxy.upstream.hostname or "", proxy.upstream.port, context=proxy.tls
            )
            try:
                headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP}
                upstream.request(self.command, self.path, body or None, headers)
                response = upstream.getresponse()
                if (answer := proxy.after(request)) is not None:
                    response.read()
                    self._answer(answer)
                elif "watch=" in self.path:
                    self._stream(response)
                else:
                    self._relay(response.status, response.getheader("Content-Type", ""), response.read())
            except (OSError, http.client.HTTPException, ValueError):
                self.close_connection = True
            finally:
                upstream.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def _answer(self, answer: Answer) -> None:
            if answer.status is None:
                self.close_connection = True
                self.connection.close()
                return
            text = json.dumps({"kind": "Status", "status": "Failure", "message": "injected", "code": answer.status})
            self._relay(answer.status, "application/json", text.encode(), answer.headers)

        def _relay(self, status: int, media: str, body: bytes, extra: tuple[tuple[str, str], ...] = ()) -> None:
            self.send_response(status)
            for name, value in (("Content-Type", media), ("Content-Length", str(len(body))), *extra):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, response: http.client.HTTPResponse) -> None:
            self.send_response(response.status)
            self.send_header("Content-Type", response.getheader("Content-Type", ""))
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while chunk := response.read1(65536):
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    return Handler
