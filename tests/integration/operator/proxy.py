"""Stands between the operator and the API server: counts requests, loses answers, refuses, ends the operator after a
write, spoils watches. Plain HTTP towards the operator, on loopback.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
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
    body: bytes = field(default=b"", compare=False, repr=False)
    query: str = field(default="", compare=False)

    @property
    def is_watch(self) -> bool:
        """Whether the answer has no end."""
        return "watch=" in self.query

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
    body: bytes | None = None
    """Instead of a sentence that says that this was injected."""
    delay: float = 0.0
    """Seconds until the operator gets it; longer than its patience for a request that hangs."""


Rule = Callable[[Request], Answer | None]
Events = Callable[[Request, Iterable[bytes]], Iterable[bytes]]
"""What becomes of the events of a watch, each one line; the watch ends with the last."""


def _pass(_: Request) -> Answer | None:
    return None


def _pass_answer(_request: Request, _status: int, _body: bytes) -> None:
    return None


def _pass_events(_: Request, lines: Iterable[bytes]) -> Iterable[bytes]:
    return lines


class Proxy:
    """Forwards every request, unless a rule says otherwise."""

    def __init__(self, api: ApiServer, *, before: Rule = _pass, after: Rule = _pass) -> None:
        self.before = before
        """Asked before a request is forwarded; its answer keeps the request from the API server."""
        self.after = after
        """Asked after the API server has done as it was told; its answer replaces the real one."""
        self.seen: Callable[[Request, int, bytes], None] = _pass_answer
        """Told what the API server answered, before ``after`` is asked."""
        self.events: Events = _pass_events
        """What the operator sees of each watch."""
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
            """Serve the connection over one to the API server; an operator that was killed leaves it as it is."""
            self._upstream = http.client.HTTPSConnection(
                proxy.upstream.hostname or "", proxy.upstream.port, context=proxy.tls
            )
            try:
                with suppress(OSError):
                    super().handle()
            finally:
                self._upstream.close()

        def log_message(self, format: str, *args: object) -> None:
            """The tests look at ``requests``."""

        def _serve(self) -> None:
            target = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, target.path, body, target.query)
            proxy.note(request)
            if (answer := proxy.before(request)) is not None:
                self._answer(answer)
                return
            try:
                self._forward(request)
            except (OSError, http.client.HTTPException, ValueError):
                self._upstream.close()
                self.close_connection = True

        def _forward(self, request: Request) -> None:
            headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP}
            self._upstream.request(self.command, self.path, request.body or None, headers)
            with self._upstream.getresponse() as response:
                if request.is_watch and response.status == 200:
                    self._stream(request, response)
                    return
                text = response.read()
            proxy.seen(request, response.status, text)
            if (answer := proxy.after(request)) is not None:
                self._answer(answer)
            else:
                self._relay(response.status, response.getheader("Content-Type", ""), text)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def _answer(self, answer: Answer) -> None:
            time.sleep(answer.delay)
            if answer.status is None:
                self.close_connection = True
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
            said = {"kind": "Status", "status": "Failure", "message": "injected", "code": answer.status}
            text = json.dumps(said).encode() if answer.body is None else answer.body
            self._relay(answer.status, "application/json", text, answer.headers)

        def _relay(self, status: int, media: str, body: bytes, extra: tuple[tuple[str, str], ...] = ()) -> None:
            self.send_response(status)
            for name, value in (("Content-Type", media), ("Content-Length", str(len(body))), *extra):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, request: Request, response: http.client.HTTPResponse) -> None:
            self.send_response(response.status)
            self.send_header("Content-Type", response.getheader("Content-Type", ""))
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in proxy.events(request, _lines(response)):
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            # The API server has more to say on this connection.
            self._upstream.close()

    return Handler


def _lines(response: http.client.HTTPResponse) -> Iterable[bytes]:
    rest = b""
    while chunk := response.read1(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in whole)
