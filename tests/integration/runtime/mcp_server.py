"""A real MCP server in a process of its own: `main(<transport>, <port> [, tool to leave out])`, which ``Forks`` starts.

It lets in only who sends the header `X-Key: planted-mcp-key`, and says by which host it was asked; `/elsewhere` sends
everybody on to another host.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer

KEY = b"planted-mcp-key"


def build(without: str) -> MCPServer:
    server = MCPServer("docs")

    def lookup(word: str) -> str:
        """Look a word up."""
        return f"{word} stands on page 7"

    def forget(word: str) -> str:
        """Forget a word."""
        return f"{word} is forgotten"

    for tool in (lookup, forget):
        if tool.__name__ != without:
            server.tool()(tool)
    return server


def guarded(app: Any, port: int) -> Any:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        host = dict(scope.get("headers", ())).get(b"host", b"").decode()
        print(f"asked as {host}", flush=True)  # noqa: T201 - the log is what a test reads
        if scope["type"] == "http" and scope["path"] == "/elsewhere":
            location = (b"location", f"http://localhost:{port}/mcp".encode())
            await send({"type": "http.response.start", "status": 307, "headers": [location]})
            await send({"type": "http.response.body", "body": b""})
        elif scope["type"] == "http" and (b"x-key", KEY) not in scope["headers"]:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await app(scope, receive, send)

    return asgi


def main(arguments: Sequence[str]) -> int:
    transport, port, *without = arguments
    server = build(without[0] if without else "")
    app = server.sse_app() if transport == "sse" else server.streamable_http_app()
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.run(guarded(app, int(port)), port=int(port), log_level="warning", timeout_graceful_shutdown=1)
    return 0
