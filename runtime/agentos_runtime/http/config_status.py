"""`GET /config` tells of what agno says nothing: `mcp_servers`, each with its status and tools, and how the loading of
knowledge goes, `knowledge_sources`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentos_runtime.asgi import App, Message, Receive, Scope, Send


class ConfigStatus:
    """Adds the blocks to agno's answer."""

    def __init__(self, app: App, blocks: Mapping[str, Callable[[], Sequence[dict[str, Any]]]]) -> None:
        self._app = app
        self._blocks = blocks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/config" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message = {}
        body: list[bytes] = []

        async def gather(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._finish(start, b"".join(body), send)

        await self._app(scope, receive, gather)

    async def _finish(self, start: Message, body: bytes, send: Send) -> None:
        if start["status"] == 200:
            told = {name: list(tell()) for name, tell in self._blocks.items()}
            body = json.dumps(json.loads(body) | told).encode()
            others = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            start["headers"] = [*others, (b"content-length", str(len(body)).encode())]
        await send(start)
        await send({"type": "http.response.body", "body": body, "more_body": False})
