"""Gives agno what it needs for several replicas to behave as one. Called by `create_app` before AgentOS is built."""

from __future__ import annotations

from agno.os.event_streams import set_event_stream
from agno.os.event_streams.redis import RedisEventStream
from agno.run.cancel import set_cancellation_manager

from agentos_runtime.coordination.cancellation import SharedCancellation
from agentos_runtime.coordination.clients import Clients
from agentos_runtime.settings import Settings

_BLOCK_MS = 500
"""How long a follower of a run waits for Redis at a time; below the timeout of every command."""


def share_runs(settings: Settings, clients: Clients) -> None:
    """Cancellation and the streams of runs, for the whole process, under keys of this deployment alone.

    What agno's QueueConfig(redis=...) wires, with clients that give up in time.
    """
    prefix = f"agentos:{settings.workspace}:{settings.deployment}"
    set_cancellation_manager(SharedCancellation(clients, f"{prefix}:cancelled:"))
    set_event_stream(RedisEventStream(clients.client, key_prefix=f"{prefix}:runs:", block_ms=_BLOCK_MS))
