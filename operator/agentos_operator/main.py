"""Index of all kopf handlers; each one line of work: an event marks a key, ``service.Operator`` does the rest.

Only ``on.event`` is used: kopf then writes nothing into our resources (no finalizer, no annotation, no status).
"""

from __future__ import annotations

import asyncio
from typing import Any

import kopf

from agentos_operator.naming import API_VERSION, FIELD_MANAGER, GROUP, MANAGED_BY_LABEL
from agentos_operator.service import Operator

_OURS = {MANAGED_BY_LABEL: FIELD_MANAGER}

CHILD_KINDS = (
    ("v1", "namespaces"),
    ("v1", "services"),
    ("v1", "resourcequotas"),
    ("v1", "limitranges"),
    ("apps/v1", "deployments"),
    ("policy/v1", "poddisruptionbudgets"),
    ("networking.k8s.io/v1", "networkpolicies"),
    ("networking.k8s.io/v1", "ingresses"),
    ("rbac.authorization.k8s.io/v1", "rolebindings"),
    ("gateway.networking.k8s.io/v1", "httproutes"),
)
"""Watched for drift. Secrets and ConfigMaps are not: to watch them is to read them, in every namespace of the cluster
(https://kubernetes.io/docs/concepts/security/rbac-good-practices/#listing-secrets)."""


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

    @kopf.on.event(API_VERSION, "workspaces", registry=registry)
    @kopf.on.event(API_VERSION, "agentdeployments", registry=registry)
    async def resource(body: kopf.Body, **_: Any) -> None:
        operator.resource_changed(dict(body))

    async def child(body: kopf.Body, type: str | None, **_: Any) -> None:
        operator.child_changed(dict(body), deleted=type == "DELETED")

    for api_version, plural in CHILD_KINDS:
        kopf.on.event(api_version, plural, labels=_OURS, registry=registry)(child)

    @kopf.on.probe(id="queue", registry=registry)
    async def queue(**_: Any) -> float:
        return operator.check_queue()

    return registry


def configure(settings: kopf.OperatorSettings) -> kopf.OperatorSettings:
    """kopf's own settings; the reason stands with each."""
    settings.peering.standalone = True  # leadership is ours, by Lease
    settings.posting.enabled = False  # an exception's text would become an Event that tenants read
    settings.persistence.finalizer = f"{GROUP}/kopf-unused"  # never ours, or kopf would remove it
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.watching.chunk_size = 500  # bounds the memory of the first listing
    for api_version, plural in CHILD_KINDS:
        # Filtered by the server: a handler's ``labels`` alone would bring every object of the cluster here.
        group, version = api_version.split("/") if "/" in api_version else ("", api_version)
        settings.watching.label_selectors[group, version, plural] = f"{MANAGED_BY_LABEL}={FIELD_MANAGER}"
    return settings
