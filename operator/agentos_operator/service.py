"""The running operator: turns events into marked keys, and works on them while it leads.

``main`` hands it events; ``__main__`` makes it. Watching goes on in every replica, so that a new leader knows the
state of the cluster; only the leader has workers.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, WORKSPACE
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.clients.postgres import PostgresServer
from agentos_operator.errors import ApiError
from agentos_operator.leader import Leadership
from agentos_operator.ledger import Ledger
from agentos_operator.metrics import Metrics
from agentos_operator.reconcile import handover
from agentos_operator.reconcile.agent_deployment import reconcile_agent_deployment
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.inquiry.inquire import WORKERS as INQUIRERS
from agentos_operator.reconcile.inquiry.inquire import inquire
from agentos_operator.reconcile.inquiry.memory import InquiryMemory
from agentos_operator.reconcile.isolation.memory import IsolationMemory, Place
from agentos_operator.reconcile.isolation.verify import verify_isolation
from agentos_operator.reconcile.owners import key_of, keys_of, workspaces_of
from agentos_operator.reconcile.surroundings.look_around import look_around, look_around_first
from agentos_operator.reconcile.sweep import sweep
from agentos_operator.reconcile.workspace import reconcile_workspace
from agentos_operator.resources.common import Object
from agentos_operator.settings import Settings
from agentos_operator.workqueue import Again, Key, Queue, describe

logger = logging.getLogger(__name__)

STUCK_SECONDS = 300.0
"""A leader whose oldest key waits longer than this is not alive."""

SWEEP_SHARE = 0.1
"""Part of the resync interval after which lost children, and neighbours that moved, are looked for; far cheaper than a
resync."""

FULL_SWEEP_EVERY = 10
"""Of so many sweeps one looks at all that is watched, and so does the first: an event may have gone astray."""

_RECONCILERS = {
    WORKSPACE.kind: reconcile_workspace,
    AGENT_DEPLOYMENT.kind: reconcile_agent_deployment,
}


class Operator:
    """Owns the queue, the leadership and the connections of one replica."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        databases: Mapping[str, PostgresServer],
        settings: Settings,
        leadership: Leadership,
        stop: Callable[[], None],
        place: Place = Place(),  # noqa: B008 - frozen
    ) -> None:
        self.metrics = Metrics()
        self._queue = Queue(self.metrics.measured(self._reconcile), settings.resync_seconds)
        self._verifications = Queue(self._verify, settings.resync_seconds)
        self._inquiries = Queue(self._inquire, settings.resync_seconds)
        self._requested: set[Key] = set()
        self._listed: set[str] = set()
        self._context = Context(
            kubernetes=kubernetes,
            databases=databases,
            settings=settings,
            ledger=Ledger(),
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            mark=self._queue.mark,
            isolation=IsolationMemory(place=place, request=self._request_verification),
            inquiry=InquiryMemory(request=self._inquiries.mark),
        )
        self._leadership = leadership
        self._stop = stop
        self._leading = False
        queues = {"reconcile": self._queue, "verify": self._verifications, "inquire": self._inquiries}
        self.metrics.watch(queues, lambda: self._leading)
        self._looked_around = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to stand for leadership."""
        self._task = asyncio.create_task(self._lead_and_work())

    async def stop(self) -> None:
        """Stop working, let another replica lead, close the connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._leading:
            await self._hand_over()
            try:
                await self._leadership.release()
            except ApiError as error:
                logger.warning("the Lease could not be released: %s", error)
        await self._context.kubernetes.close()
        for database in self._context.databases.values():
            await database.close()

    def resource_changed(self, body: Object, *, deleted: bool = False) -> None:
        """A Workspace or an AgentDeployment was added, changed or deleted."""
        news = self._context.sightings.note(body, workspaces_of(body), deleted=deleted)
        self.metrics.observe(body, deleted=deleted)
        if body["kind"] == AGENT_DEPLOYMENT.kind:
            self._context.hosts.observe(body, deleted=deleted)
        else:
            self._context.hosts.observe_workspace(body, deleted=deleted)
        if deleted:
            self._context.looks.forget(body["metadata"]["uid"])
        if news:
            self._queue.mark(key_of(body))

    async def until_written(self, body: Mapping[str, Any]) -> None:
        """An event about what is being written at this moment can be judged only when the answer is there."""
        await self._context.ledger.echoes.until_written(body)

    def child_changed(self, body: Object, *, deleted: bool, listed: bool = False) -> None:
        """A child was added, changed or deleted, or ``listed`` because its kind's watch began, or began again.

        What it says about its owner tells whom to look at, nothing more.
        """
        if listed:
            self._listed.add(body["kind"])
        told_before = not self._context.sightings.note(body, workspaces_of(body), deleted=deleted)
        self._context.ledger.keep(body, deleted=deleted)
        news = self._context.ledger.observe(body, deleted=deleted)
        self._context.other_routes.observe(body, deleted=deleted)
        if not self._context.autoscalers.observe(body, deleted=deleted) or not news or told_before:
            return
        self._context.looks.doubt(body)
        for key in keys_of(body):
            self._queue.mark(key)

    def check_queue(self) -> float:
        """Seconds that the oldest key has waited; raises when that is too long for a living leader."""
        oldest = self._queue.oldest_seconds
        if self._leading and oldest > STUCK_SECONDS:
            raise RuntimeError(f"no worker has taken the oldest key for {oldest:.0f} seconds")
        return oldest

    async def _reconcile(self, key: Key) -> Again | None:
        return await _RECONCILERS[key.kind](self._context, key)

    async def _verify(self, key: Key) -> Again | None:
        return await verify_isolation(self._context, key)

    async def _inquire(self, key: Key) -> Again | None:
        return await inquire(self._context, key)

    def _request_verification(self, key: Key) -> None:
        """Have a Workspace's isolation looked at a little later, once however often that is asked for."""
        if key not in self._requested:
            self._requested.add(key)
            delay = self._context.settings.isolation.verification.delay_seconds
            asyncio.get_running_loop().call_later(delay, self._mark_verification, key)

    def _mark_verification(self, key: Key) -> None:
        self._requested.discard(key)
        self._verifications.mark(key)

    async def _lead_and_work(self) -> None:
        """Stand, lead and work; what ends that, other than being told to stop, ends the process."""
        try:
            await self._lead()
        except Exception as error:
            logger.error("leading failed: %s", describe(error))  # noqa: TRY400 - a trace could quote a secret
        logger.error("leadership or work ended; stopping")
        self._leading = False
        self._stop()

    async def _lead(self) -> None:
        """Work from the moment this replica leads until either ends."""
        await self._leadership.acquire()
        self._leading = True
        work = asyncio.create_task(self._work())
        probes = self._context.settings.isolation.verification.max_concurrent
        verify = asyncio.create_task(self._verifications.run(probes))
        inquiries = asyncio.create_task(self._inquiries.run(INQUIRERS))
        hold = asyncio.create_task(self._leadership.hold())
        sweeping = asyncio.create_task(self._sweep())
        tasks = (work, verify, inquiries, hold, sweeping)
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in ended:
            task.result()  # raises what ended it, which is told then

    async def _work(self) -> None:
        """Reconcile until cancelled; not before it is known whom the policies are to let through."""
        await look_around_first(self._context)
        self._looked_around.set()
        await self._take_over()
        await self._queue.run(self._context.settings.workers)

    async def _take_over(self) -> None:
        """What an earlier operator has left at rest, and nobody has changed since, is looked at when it is due."""
        try:
            rests = await handover.take(self._context)
        except ApiError as error:
            logger.warning("what an earlier operator left cannot be taken over, so all is looked at: %s", error)
            return
        for key, seconds in rests.items():
            self._queue.rest(key, seconds)
            self.metrics.taken_over(key)
        logger.info("%s resources are as an earlier operator left them", len(rests))

    async def _hand_over(self) -> None:
        """Leave to the next operator what need not be looked at again."""
        busy = self._requested | self._verifications.busy | self._inquiries.busy
        resting = {key: seconds for key, seconds in self._queue.resting().items() if key not in busy}
        try:
            await handover.leave(self._context, resting)
        except ApiError as error:
            logger.warning("nothing is handed over, so the next operator looks at all: %s", error)

    async def _sweep(self) -> None:
        """Look for lost children, and for neighbours that moved, until cancelled."""
        await self._looked_around.wait()
        for number in itertools.count():
            await asyncio.sleep(self._context.settings.resync_seconds * SWEEP_SHARE)
            listed, self._listed = self._listed, set()
            await sweep(self._context, None if number % FULL_SWEEP_EVERY == 0 else listed)
            await look_around(self._context)
