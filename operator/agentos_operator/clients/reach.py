"""Whether somebody listens at an address; asked before a tenant's failure to connect there counts for anything."""

from __future__ import annotations

import asyncio
import socket

TIMEOUT = 1.5
"""Seconds; a lost first packet is repeated after one."""


async def is_open(host: str, port: int) -> bool:
    """Whether a TCP connection from the operator succeeds."""
    try:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one
        return False
    writer.transport.abort()
    return True


async def resolve(host: str) -> str | None:
    """An address of ``host``, None when it has none."""
    try:
        async with asyncio.timeout(TIMEOUT):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return None
    return str(found[0][4][0])
