"""A bare HTTP/1.1 client on one kept connection.

The load shares two cores with what it measures, so a request must cost next to nothing: httpx takes about a
millisecond of CPU per request, this a tenth of it. Only loopback is ever connected to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlencode

HOST = "127.0.0.1"
SECONDS = 60.0
"""How long an answer may take; the bench never waits without end."""


class NoAnswer(Exception):
    """The connection could not be made, or ended before the answer did."""


def question(path: str, form: Mapping[str, str], *, host: str = HOST, token: str = "") -> bytes:
    """A POST of a form, ready to be sent as often as wanted."""
    body = urlencode(form).encode()
    headers = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        *([f"Authorization: Bearer {token}"] if token else []),
    ]
    return "\r\n".join([*headers, "", ""]).encode() + body


def get(path: str) -> bytes:
    """A GET."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


class Connection:
    """Connects when it is first used, and again when the other side has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._exchange(request)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.close()
            raise NoAnswer(str(error) or type(error).__name__) from error

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status, headers = _parse(head)
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
        if headers.get(b"connection", b"").lower() == b"close" or b"transfer-encoding" in headers:
            self.close()
        return status, body


def _parse(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.rstrip().split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return int(first.split(b" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}
