"""Leadership by Lease: one replica writes, the others watch and wait.

The Lease is written like client-go's (https://pkg.go.dev/k8s.io/client-go/tools/leaderelection), with one rule on top:
a holder that could not renew in ``RENEW_SECONDS`` stops, which with a request timeout shorter than the rest of
``LEASE_SECONDS`` leaves no time in which two replicas write. Only durations of the own monotonic clock count, so that
clocks which disagree do no harm.

A process that was paused cannot stop in time: another replica leads when it goes on, in the middle of its work. So the
clients ask ``may_write`` before each write.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

from agentos_operator.clients.kinds import LEASE
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.errors import ApiError, Conflict, NotFound
from agentos_operator.resources.common import Object

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30
"""A Lease that nobody renewed for this long may be taken."""
RENEW_SECONDS = 12
"""A leader that could not renew for this long stops, one attempt and one pause later at the most: after 20 s."""
RETRY_SECONDS = 2.0
"""Time between attempts."""
WRITE_SECONDS = RENEW_SECONDS + RENEW_SECONDS / 2 + RETRY_SECONDS
"""A leader writes nothing once its last renewal is this old: as long as an unpaused one takes to stop, at the most."""


class Leadership:
    """One candidate for one Lease."""

    def __init__(self, kubernetes: Kubernetes, name: str, namespace: str, identity: str) -> None:
        self._kubernetes = kubernetes
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._seen: tuple[object, float] = (None, 0.0)
        self._renewed: float | None = None
        self._held: Object | None = None

    async def acquire(self) -> None:
        """Wait until this candidate leads."""
        while not await self._attempt():  # noqa: ASYNC110 - the Lease lies in the API server, no event tells of it
            await asyncio.sleep(RETRY_SECONDS)
        logger.info("leading as %s", self._identity)

    async def hold(self) -> None:
        """Renew until that fails for too long, then return: the caller must stop writing at once."""
        while self._is_fresh(RENEW_SECONDS):
            await asyncio.sleep(RETRY_SECONDS)
            # After a pause a look at the Lease could take long, while all work goes on beside it.
            if self._is_fresh(WRITE_SECONDS):
                await self._attempt()
        logger.error("leadership could not be renewed for %s seconds", RENEW_SECONDS)

    def may_write(self) -> bool:
        """Whether nobody else can lead at this moment."""
        return self._is_fresh(WRITE_SECONDS)

    async def release(self) -> None:
        """Let the next candidate begin at once."""
        lease = await self._kubernetes.find(LEASE, self._name, self._namespace)
        if lease is not None and lease.get("spec", {}).get("holderIdentity") == self._identity:
            lease["spec"].update(holderIdentity="", leaseDurationSeconds=1, renewTime=_now())
            await self._kubernetes.replace(lease)

    async def _attempt(self) -> bool:
        """Whether this candidate leads after one look, and one write where that is due."""
        attempted = time.monotonic()
        try:
            async with asyncio.timeout(RENEW_SECONDS / 2):
                if not await self._take_or_renew():
                    return False
        except Conflict:
            return False
        except (ApiError, TimeoutError) as error:
            logger.warning("the Lease could not be read or written: %s", error)
            return False
        self._renewed = attempted
        return True

    def _is_fresh(self, seconds: float) -> bool:
        """Whether the Lease was taken or renewed so recently."""
        return self._renewed is not None and time.monotonic() - self._renewed < seconds

    async def _take_or_renew(self) -> bool:
        return await self._renew_unread() or await self._look_and_take()

    async def _renew_unread(self) -> bool:
        """Whether the Lease is as the last renewal left it, and was renewed; a look would double the requests."""
        held, self._held = self._held, None
        if held is None:
            return False
        try:
            await self._renew(held)
        except (Conflict, NotFound):
            return False
        return True

    async def _look_and_take(self) -> bool:
        lease = await self._kubernetes.find(LEASE, self._name, self._namespace)
        if lease is None:
            self._held = await self._kubernetes.create(self._new_lease())
            return True
        spec = lease.setdefault("spec", {})
        if spec.get("holderIdentity") != self._identity:
            if not self._is_free(spec):
                return False
            transitions = spec.get("leaseTransitions", 0) + 1
            spec.update(holderIdentity=self._identity, acquireTime=_now(), leaseTransitions=transitions)
        await self._renew(lease)
        return True

    async def _renew(self, lease: Object) -> None:
        lease["spec"].update(leaseDurationSeconds=LEASE_SECONDS, renewTime=_now())
        self._held = await self._kubernetes.replace(lease)

    def _is_free(self, spec: Object) -> bool:
        """Nobody holds it, or its holder has not renewed for its whole duration as we saw it."""
        if not spec.get("holderIdentity"):
            return True
        record = (spec["holderIdentity"], spec.get("renewTime"))
        if record != self._seen[0]:
            self._seen = (record, time.monotonic())
        return time.monotonic() - self._seen[1] >= float(spec.get("leaseDurationSeconds", LEASE_SECONDS))

    def _new_lease(self) -> Object:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": _now(),
                "renewTime": _now(),
                "leaseTransitions": 0,
            },
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
