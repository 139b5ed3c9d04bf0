"""What uvicorn answers before there is a request: heads that are no HTTP, or too large to be read to their end."""

from __future__ import annotations

import sys
import uuid
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from agentos_runtime.asgi import Scope
from agentos_runtime.http.problems import problem

LARGEST_HEAD = 64 * 1024
"""Bytes of a request's head that are read at most; `Limits.header_bytes` is what a whole one may have."""


class Protocol(H11Protocol):
    """uvicorn's own, with problem documents and the right status."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are replaced
        """Answer what cannot be read, unless an answer has begun, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._answer(_status(sys.exception()))
        self.transport.close()

    def _answer(self, status: int) -> None:
        request_id = uuid.uuid4().hex
        scope: Scope = {"type": "http", "state": {"request_id": request_id}}
        detail = "The headers are too large." if status == 431 else "This is no valid HTTP request."
        headers, body = problem(scope, status, detail)
        own = [(b"x-request-id", request_id.encode()), (b"connection", b"close")]
        length = (b"content-length", str(len(body)).encode())
        start = h11.Response(
            status_code=status, headers=[*headers, *own, length], reason=HTTPStatus(status).phrase.encode()
        )
        for event in (start, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")


def _status(error: BaseException | None) -> int:
    """h11 knows a head that is too large from one that is malformed."""
    hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
    return hint if hint in (400, 431) else 400
