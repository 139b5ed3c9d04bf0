"""Relays TCP connections from the host's loopback port to the gateway, inside the machine of `local.cluster`.

Descriptor 3 is a socket that listens in the host's network namespace; the connections that it leads to are made in
the machine's. So the port closes by itself when the machine ends, and no process of ours stays on the host.
"""

import asyncio
import contextlib
import socket
import sys

LISTENER = 3
CHUNK = 65536
"""Bytes that are read at once."""


async def relay(address: str, port: int) -> None:
    """Serve until ended."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join(reader, writer, address, port)

    server = await asyncio.start_server(handle, sock=socket.socket(fileno=LISTENER))
    await server.serve_forever()


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, port: int) -> None:
    """Pass on both directions until both have ended; whatever breaks one of them breaks the other."""
    writers = [writer]
    try:
        answers, questions = await asyncio.open_connection(address, port)
        writers.append(questions)
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(reader, questions))
            group.create_task(_copy(answers, writer))
    except* OSError:
        writer.transport.abort()
    finally:
        for each in writers:
            each.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction; its end is passed on too, because the other may still have something to say."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(relay(sys.argv[1], int(sys.argv[2])))
