"""Index of all kopf handlers; each one line of work: an event marks a key, ``service.Operator`` does the rest.

Only ``on.event`` is used: kopf then writes nothing into our resources (no finalizer, no annotation, no status).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import kopf
from kopf._cogs.structs.bodies import BodyEssence
from kopf._cogs.structs.references import Insights

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, WATCHED, WORKSPACE
from agentos_operator.clients.late_kinds import LateKinds
from agentos_operator.naming import FIELD_MANAGER, GROUP, MANAGED_BY_LABEL
from agentos_operator.service import Operator

_OURS = {MANAGED_BY_LABEL: FIELD_MANAGER}

RESOURCES = (WORKSPACE, AGENT_DEPLOYMENT)


def run(operator: Operator, stopped: asyncio.Event, liveness: str) -> Coroutine[Any, Any, None]:
    """kopf's whole run, until ``stopped`` is set; ``liveness`` is the URL that the probe of that name asks."""
    settings, insights = configure(kopf.OperatorSettings()), Insights()
    registry = register(operator, stopped)
    follow_late_kinds(registry, LateKinds(RESOURCES + WATCHED, registry, settings, insights))
    return kopf.operator(
        registry=registry,
        settings=settings,
        insights=insights,
        clusterwide=True,
        standalone=True,
        liveness_endpoint=liveness,
        stop_flag=stopped,
    )


def register(operator: Operator, stopped: asyncio.Event) -> kopf.OperatorRegistry:
    """All handlers, bound to ``operator``; ``stopped`` is the flag that kopf was given, set when all has ended."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    @kopf.on.startup(registry=registry)
    async def startup(**_: Any) -> None:
        await operator.start()

    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        await operator.stop()
        stopped.set()  # or kopf would wait five seconds for its own waiter of this flag

    async def resource(body: kopf.Body, type: str | None, **_: Any) -> None:
        operator.resource_changed(dict(body), deleted=type == "DELETED")

    for kind in RESOURCES:
        kopf.on.event(kind.api_version, kind.plural, registry=registry)(resource)

    async def child(body: kopf.Body, type: str | None, **_: Any) -> None:
        await operator.until_written(body)
        operator.child_changed(dict(body), deleted=type == "DELETED", listed=type is None)

    for kind in WATCHED:
        kopf.on.event(kind.api_version, kind.plural, labels=_OURS, registry=registry)(child)

    @kopf.on.probe(id="queue", registry=registry)
    async def queue(**_: Any) -> float:
        return operator.check_queue()

    return registry


def follow_late_kinds(registry: kopf.OperatorRegistry, kinds: LateKinds) -> None:
    """Have ``kinds`` looked for from startup to cleanup."""
    tasks: list[asyncio.Task[None]] = []

    @kopf.on.startup(registry=registry)
    async def begin(**_: Any) -> None:
        tasks.append(asyncio.create_task(kinds.follow()))

    @kopf.on.cleanup(registry=registry)
    async def end(**_: Any) -> None:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class NothingKept(kopf.DiffBaseStorage):
    """Keeps no last state, and prepares none.

    kopf compares states for handlers of changes, of which there are none here; for that it copies every object of every
    event, which was a tenth of what the operator computed.
    """

    def build(self, **_: Any) -> BodyEssence:
        """Nothing to compare."""
        return BodyEssence()

    def fetch(self, **_: Any) -> BodyEssence | None:
        """Nothing to compare it with."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing to keep."""


def configure(settings: kopf.OperatorSettings) -> kopf.OperatorSettings:
    """kopf's own settings; the reason stands with each."""
    settings.peering.standalone = True  # leadership is ours, by Lease
    settings.posting.enabled = False  # an exception's text would become an Event that tenants read
    settings.persistence.finalizer = f"{GROUP}/kopf-unused"  # never ours, or kopf would remove it
    settings.persistence.diffbase_storage = NothingKept()
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.watching.chunk_size = 500  # bounds the memory of the first listing
    for kind in WATCHED:
        # Filtered by the server: a handler's ``labels`` alone would bring every object of the cluster here.
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = f"{MANAGED_BY_LABEL}={FIELD_MANAGER}"
    return settings
