"""MCP servers: agno's MCPTools, on a connection that is kept.

agno connects once, lets an agent run without tools that it could not get, and opens connections in one run that it
closes at the end of that run, under the feet of others. Here a connection belongs to the process: it is opened beside
the start, looked after while nobody asks, and checked before each run. While a server is away, the tools that are
known stay, and a call of one says what is wrong; where none are known yet, the model is told so in its instructions.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from agno.tools.mcp import MCPTools

from agentos_runtime.agents.compile import ReadSecret
from agentos_runtime.agents.headers import read_headers
from agentos_spec import McpServerSpec
from agentos_spec.errors import did_you_mean

_LOG = logging.getLogger("agentos.mcp")
_EVERY_SECONDS = 10.0
"""How often a server is looked after while nobody calls it."""
_STREAM_SECONDS = 300.0
"""How long a server's stream of events may be silent."""
_CLOSING_SECONDS = 5.0


def compile_server(spec: McpServerSpec, read_secret: ReadSecret) -> McpServer:
    """The server of a spec, not connected yet."""
    return McpServer(spec, read_headers(spec.headers, f"{spec.path}.mcp", read_secret))


class McpServer(MCPTools):
    """One server, shared by all runs; agno knows the class by its base's name."""

    def __init__(self, spec: McpServerSpec, headers: dict[str, str]) -> None:
        super().__init__(
            name=spec.name,
            url=spec.url,
            transport=spec.transport,  # type: ignore[arg-type]
            timeout_seconds=spec.timeout_seconds,
            include_tools=list(spec.include_tools) or None,
            exclude_tools=list(spec.exclude_tools) or None,
            tool_name_prefix=spec.tool_name_prefix,
            requires_confirmation_tools=[*spec.requires_confirmation, *spec.requires_approval],
            refresh_connection=True,
            add_instructions=True,
        )
        self.spec = spec
        self._sent = headers
        self._lock = asyncio.Lock()
        self._looks = 0
        self._keeper: asyncio.Task[None] | None = None
        self.trouble: str | None = "it has not been asked yet"
        """Why its tools cannot be called; None while they can."""

    @property
    def initialized(self) -> bool:
        """Always: a run gets its tools, or the news that they are missing."""
        return True

    def state(self) -> dict[str, str]:
        """What the operator is told: no address, and no reason before the first look."""
        trouble = self.trouble
        if not self._looks:
            return {"name": self.spec.name, "status": "pending"}
        if trouble is None:
            return {"name": self.spec.name, "status": "connected"}
        return {"name": self.spec.name, "status": "unavailable", "message": trouble}

    def status(self) -> dict[str, Any]:
        """What /config says of it."""
        spec = self.spec
        about = {"name": spec.name, "path": spec.path, "url": spec.url, "transport": spec.transport}
        if self.trouble is not None:
            return about | {"status": "unavailable", "message": self.trouble, "tools": sorted(self.functions)}
        return about | {"status": "connected", "tools": sorted(self.functions)}

    async def connect(self, force: bool = False) -> None:  # type: ignore[override] # noqa: ARG002 - as in MCPTools
        """Begin to look after it; AgentOS calls this as it starts, and is not kept waiting."""
        self._keeper = self._keeper or asyncio.create_task(self._keep())

    async def close(self) -> None:  # type: ignore[override]
        """AgentOS calls this as it ends."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._drop()

    async def is_alive(self) -> bool:
        """agno would throw the connection away at once; `build_tools`, which it calls next, does better."""
        return True

    async def build_tools(self) -> None:
        """Before each run: see that it answers, and which tools it has now. Never raises.

        Runs that arrive during a look share its answer: a server that hangs holds up each for one timeout, not for one
        behind the other.
        """
        asked = self._looks
        async with self._lock:
            if self._looks == asked:
                self._is(await self._found())
                self._looks += 1

    async def _found(self) -> str | None:
        """What is wrong with it now; None where nothing is."""
        try:
            async with asyncio.timeout(self.spec.timeout_seconds):
                await self._look()
        except ValueError as error:  # connected, and not what the spec says of it
            self.functions.clear()
            return str(error)
        except TimeoutError:
            await self._drop()
            return f"it did not answer within {self.spec.timeout_seconds} seconds"
        except Exception as error:  # each layer below raises its own
            await self._drop()
            return str(error) or type(error).__name__
        return None

    async def get_session_for_run(self, *_: Any, **__: Any) -> Any:
        """Before each call; what is raised here is the call's result."""
        if self.trouble is not None or not await super().is_alive():
            await self.build_tools()
        if self.trouble is not None:
            raise ConnectionError(f"MCP server {self.spec.name!r} cannot be used: {self.trouble}")
        return self.session

    async def _keep(self) -> None:
        while True:
            await self.build_tools()
            await asyncio.sleep(_EVERY_SECONDS)

    async def _look(self) -> None:
        """Over the connection that is open, or else over a new one."""
        if self.session is None or not await super().is_alive():
            await self._drop()
            client = await asyncio.to_thread(_client, self.spec, self._sent)  # its first import takes half a second
            self.session = await client.__aenter__()
        before = dict(self.functions)
        await super().build_tools()
        for name, function in before.items():
            if self.functions.get(name) is function:
                del self.functions[name]  # the server has it no more
        self._guard()

    def _guard(self) -> None:
        """Have every tool wait that is said to; a name that the server does not have would leave another unguarded."""
        for field, names in (
            ("requiresConfirmation", self.spec.requires_confirmation),
            ("requiresApproval", self.spec.requires_approval),
        ):
            for name in names:
                function = self.functions.get(self.spec.called(name))
                if function is None:
                    hint = did_you_mean(name, self.functions) or f"; it has {', '.join(self.functions)}"
                    raise ValueError(f"{self.spec.path}.{field} names {name!r}, which is none of its tools{hint}")
                function.approval_type = "required"

    async def _drop(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(session.__aexit__(None, None, None), _CLOSING_SECONDS)  # type: ignore[attr-defined]

    def _is(self, trouble: str | None) -> None:
        """Tell the model, the log and those who look at /config."""
        trouble = trouble and " ".join(trouble.split())[:300]
        if trouble and trouble != self.trouble:
            _LOG.warning("MCP server %s cannot be used: %s", self.spec.name, trouble)
        if not trouble and self.trouble:
            _LOG.info("MCP server %s is connected: %s", self.spec.name, ", ".join(self.functions))
        self.trouble = trouble
        self.instructions = trouble and (
            f"The tools of the MCP server {self.spec.name!r} cannot be used now: {trouble}."
            " Say so where they would be needed, and do not make up what they would have answered."
        )


def _client(spec: McpServerSpec, headers: dict[str, str]) -> Any:
    """A client of the era that holds sessions, in which a dead server is noticed.

    Of the redirects of a server the SDK follows those within its own origin, so that headers go nowhere else.
    """
    import httpx2  # noqa: PLC0415 - only for who declares a server, and beside the start
    from fastmcp import Client  # noqa: PLC0415 - as above
    from fastmcp.client.transports import SSETransport, StreamableHttpTransport  # noqa: PLC0415 - as above

    def http(headers: Any = None, timeout: Any = None, auth: Any = None, **_: Any) -> httpx2.AsyncClient:  # noqa: ARG001
        ours = httpx2.Timeout(spec.timeout_seconds, read=_STREAM_SECONDS)
        return httpx2.AsyncClient(headers=headers, auth=auth, timeout=ours, follow_redirects=False)

    transport = SSETransport if spec.transport == "sse" else StreamableHttpTransport
    return Client(
        transport(spec.url, headers=headers, httpx_client_factory=http), timeout=spec.timeout_seconds, mode="legacy"
    )
