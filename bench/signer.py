"""Questions to a workspace's agents with fresh tokens, signed as a service would: with a Secret read a moment ago."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import jwt

from agentosctl import token
from bench import workspace
from bench.agent import PATH
from bench.connection import question
from bench.kubernetes import ADVICE, Kubernetes
from local import demo
from local.steps import StepFailedError

TOKEN_SECONDS = 50
"""Life of the load's tokens, below the minute that a workspace of `rollouts` allows."""
SIGNER_SECONDS = 30.0
"""How long it goes on with a Secret that it has read, as a mounted one would."""


class Signer:
    """Asks in the name of one user of one workspace."""

    def __init__(self, kubernetes: Kubernetes, name: str) -> None:
        self._kubernetes = kubernetes
        self._name = name
        self._path = f"{workspace.namespace_path(workspace.namespace_of(name))}/secrets/{token.SECRET_NAME}"
        self._signing: token.Signing | None = None
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    async def is_there(self) -> bool:
        """Whether the Secret is: until then nobody can ask."""
        return await self._kubernetes.get(self._path) is not None

    async def question(self, deployment: str, message: str) -> bytes:
        """A run of its agent, in one piece."""
        signing = await self._current()
        wish = token.Wish(self._name, "alice", ("agents:run",), timedelta(seconds=TOKEN_SECONDS))
        signed = jwt.encode(token.claims(wish, signing, int(time.time())), signing.secret, algorithm="HS256")
        host = f"{deployment}--{self._name}.{demo.BASE_DOMAIN}"
        return question(PATH, {"message": message, "stream": "false"}, host=host, token=signed)

    async def _current(self) -> token.Signing:
        """What the Secret said at most SIGNER_SECONDS ago."""
        async with self._reading:
            if self._signing is None or time.monotonic() - self._read_at > SIGNER_SECONDS:
                secret = await self._kubernetes.get(self._path)
                if secret is None:
                    raise StepFailedError(f"{self._path} is not there", ADVICE)
                self._signing, self._read_at = token.parse(secret, self._name), time.monotonic()
            return self._signing
