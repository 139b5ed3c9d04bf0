"""Relays TCP connections from the host's loopback port to the gateway, inside the machine of `local.cluster`.

Descriptor 3 is a socket that listens in the host's network namespace; the connections that it leads to are made in
the machine's. So the port closes by itself when the machine ends, and no process of ours stays on the host.
"""

import asyncio
import contextlib
import socket
import sys

LISTENER = 3


class Relay(asyncio.Protocol):
    """One direction of a connection; `peer` is the other one's transport."""

    def __init__(self, peer: asyncio.Transport | None = None) -> None:
        self.peer = peer
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self.peer:
            self.peer.write(data)

    def eof_received(self) -> bool:
        if self.peer and self.peer.can_write_eof():
            self.peer.write_eof()
        return True  # the other direction may still have something to say

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        if self.peer:
            self.peer.close()

    def pause_writing(self) -> None:
        if self.peer:
            self.peer.pause_reading()

    def resume_writing(self) -> None:
        if self.peer:
            self.peer.resume_reading()


class Incoming(Relay):
    """The client's side: reads nothing until the gateway's side stands."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__()
        self.address = address
        self.port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport
        self.transport.pause_reading()
        self.task = asyncio.get_running_loop().create_task(self._connect(self.transport))

    async def _connect(self, transport: asyncio.Transport) -> None:
        try:
            loop = asyncio.get_running_loop()
            peer, _ = await loop.create_connection(lambda: Relay(transport), self.address, self.port)
        except OSError:
            transport.abort()
            return
        self.peer = peer
        if transport.is_closing():
            peer.close()
        else:
            transport.resume_reading()


async def relay(address: str, port: int) -> None:
    """Serve until ended."""
    listener = socket.socket(fileno=LISTENER)
    listener.setblocking(False)
    server = await asyncio.get_running_loop().create_server(lambda: Incoming(address, port), sock=listener)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(relay(sys.argv[1], int(sys.argv[2])))
