"""The one connection that the operator opens into a tenant's pod.

Whatever listens there may be the tenant's own, so all of it is bounded: one address that the kubelet has reported, one
port, one path; no redirect, no header that is looked at, no encoding; so many bytes and so many seconds. HTTP is spoken
by hand because a client library reads headers without an end before anybody can say stop.
"""

from __future__ import annotations

import asyncio
import re

from agentos_operator.naming import METRICS_PORT

TIMEOUT = 3.0
"""Seconds for everything; a lost first packet is repeated after one."""
MOST_BYTES = 32 * 1024
"""Of the whole answer; a runtime with a hundred MCP servers that are all away says less."""
_REQUEST = b"GET /state HTTP/1.0\r\nHost: runtime\r\nAccept: application/json\r\n\r\n"
_GOOD = re.compile(rb"HTTP/1\.[01] 200\b")


async def read_state(address: str) -> bytes | None:
    """The body of the answer for `/state`; None when there is no good one."""
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_connection(address, METRICS_PORT, limit=MOST_BYTES)
            try:
                writer.write(_REQUEST)
                answer = await _all_of(reader)
            finally:
                writer.transport.abort()
    except OSError:  # TimeoutError is one
        return None
    head, separator, body = answer.partition(b"\r\n\r\n")
    return body if separator and _GOOD.match(head) else None


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    """What is sent until the end; nothing when that is too much."""
    answer = b""
    while chunk := await reader.read(MOST_BYTES):
        answer += chunk
        if len(answer) > MOST_BYTES:
            return b""
    return answer
