"""All Workspaces and AgentDeployments of a cluster as they were a moment ago, for everybody who waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp

from bench.scale.client import Client
from bench.scale.fleet import AGENT_DEPLOYMENTS, WORKSPACES
from local.steps import StepFailedError

Object = dict[str, Any]
LOOK_EVERY = 2.0
"""Seconds between two looks: two requests, however many wait."""


class Board(AbstractAsyncContextManager["Board"]):
    """Looks again and again; a look that fails is made again."""

    def __init__(self, client: Client) -> None:
        self.workspaces: dict[str, Object] = {}
        """By name."""
        self.agents: dict[str, Object] = {}
        """By Namespace: a workspace here has one."""
        self._client = client
        self._looks = 0
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Board:
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Whether `holds` came true in time, as looks see it that began after this was called."""
        first = self._looks + 2  # the one that is under way may have seen what was before
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._looks >= first and holds())
        except TimeoutError:
            return False
        return True

    async def _keep(self) -> None:
        while True:
            try:
                workspaces = (await self._client.get(WORKSPACES))["items"]
                agents = (await self._client.get(AGENT_DEPLOYMENTS))["items"]
            except (StepFailedError, aiohttp.ClientError, TimeoutError):
                workspaces = None
            if workspaces is not None:
                self.workspaces = {each["metadata"]["name"]: each for each in workspaces}
                self.agents = {each["metadata"]["namespace"]: each for each in agents}
                async with self._changed:
                    self._looks += 1
                    self._changed.notify_all()
            await asyncio.sleep(LOOK_EVERY)
