"""Whether an AgentDeployment has the host of its own that it asks for; called by ``reconcile.agent_deployment``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentos_operator import reasons
from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, WORKSPACE
from agentos_operator.conditions import Aspect, failed, held
from agentos_operator.naming import workspace_of
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.host_claims import Claim
from agentos_operator.resources.agent_deployment import AgentDeployment
from agentos_operator.resources.common import Object

HOST_READY = "HostReady"
HOSTS_GRANTED = "HostsGranted"


@dataclass(frozen=True)
class OwnHost:
    """What was decided in this attempt."""

    host: str | None
    """The host that the route may name; None for the generated one alone."""
    leaving: str | None
    """A host that status goes on to name until the route names it no more."""
    aspect: Aspect | None
    """None when no host is asked for."""


async def find_own_host(context: Context, body: Object, deployment: AgentDeployment, workspace: Object) -> OwnHost:
    """The host that ``deployment`` holds from now on; a new one is recorded in status before anything else uses it.

    Raises:
        ApiError: it could not be found out, or not be recorded.
    """
    before = body.get("status", {}).get("host")
    wanted = deployment.host
    if wanted is None and before is None:
        return OwnHost(None, None, None)
    await context.hosts.load(context.kubernetes)
    context.hosts.observe(body, deleted=False)
    context.hosts.observe_workspace(workspace, deleted=False)
    if wanted is None:
        return OwnHost(None, before, None)
    if refusal := _refusal(wanted, workspace, context):
        return OwnHost(None, before, refusal)
    if before not in (None, wanted):
        moving = failed(HOST_READY, reasons.PROGRESSING, f"Host {before} is let go before {wanted} is taken.")
        return OwnHost(None, before, moving)
    if not await _take(context, wanted, deployment.meta.uid):
        return OwnHost(None, before, _taken(wanted))
    if before is None:
        await _record(context, body, wanted)
    return OwnHost(wanted, None, held(HOST_READY, f"The deployment holds host {wanted}."))


async def has_lost_host(context: Context, body: Object, deployment: AgentDeployment) -> bool:
    """Whether status names a host that is no longer asked for or granted; asked where the rest cannot go on."""
    before = body.get("status", {}).get("host")
    if before is None:
        return False
    workspace = await context.kubernetes.find(WORKSPACE, workspace_of(deployment.namespace) or "")
    return workspace is None or before != deployment.host or _refusal(before, workspace, context) is not None


def reserved_hosts(hosts: Sequence[str], base_domain: str) -> Aspect | None:
    """Why some of a Workspace's ``hosts`` cannot be granted; None when all can."""
    reserved = [host for host in hosts if is_below(host, base_domain)]
    if not reserved:
        return None
    return failed(
        HOSTS_GRANTED,
        reasons.HOST_RESERVED,
        f"spec.routing.hosts names {', '.join(reserved)}, at or below {base_domain}, where every deployment has its "
        "generated address; grant hosts of other domains.",
        stalled=True,
    )


def is_below(host: str, domain: str) -> bool:
    """Whether ``host`` is ``domain`` or lies below it."""
    return host == domain or host.endswith(f".{domain}")


def _refusal(host: str, workspace: Object, context: Context) -> Aspect | None:
    base_domain = context.settings.routing.base_domain
    if is_below(host, base_domain):
        message = f"{host} lies below {base_domain}, where hosts are generated; choose one of another domain."
        return failed(HOST_READY, reasons.HOST_NOT_GRANTED, message, stalled=True)
    if host in workspace["spec"].get("routing", {}).get("hosts", ()):
        return None
    return failed(
        HOST_READY,
        reasons.HOST_NOT_GRANTED,
        f"{host} is not among spec.routing.hosts of Workspace {workspace['metadata']['name']}, where a platform "
        "administrator grants it. The generated host serves meanwhile.",
        stalled=True,
    )


def _taken(host: str) -> Aspect:
    # Who holds it is another tenant's business.
    return failed(
        HOST_READY,
        reasons.HOST_TAKEN,
        f"Another AgentDeployment holds {host}; this one gets it as soon as that one lets go. The generated host "
        "serves meanwhile.",
        stalled=True,
    )


async def _take(context: Context, host: str, uid: str) -> bool:
    """Take ``host``, after a second look at whoever stands in the way: the watch may have missed its end."""
    if context.hosts.take(host, uid):
        return True
    first = context.hosts.winner(host)
    if first is not None:
        await _look_again(context, first)
    return context.hosts.take(host, uid)


async def _look_again(context: Context, other: Claim) -> None:
    live = await context.kubernetes.find(AGENT_DEPLOYMENT, other.name, other.namespace)
    if live is None or live["metadata"]["uid"] != other.uid:
        context.hosts.drop(other.uid)
        return
    context.hosts.observe(live, deleted=False)
    workspace = await context.kubernetes.find(WORKSPACE, workspace_of(other.namespace) or "")
    if workspace is not None:
        context.hosts.observe_workspace(workspace, deleted=False)


async def _record(context: Context, body: Object, host: str) -> None:
    """Name the holder in status, which is what a later operator knows it by."""
    metadata = body["metadata"]
    identity = {key: metadata[key] for key in ("name", "namespace", "uid")}
    status = {**body.get("status", {}), "host": host}
    recorded = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": identity, "status": status}
    await context.kubernetes.apply(recorded, subresource="status")
    body["status"] = status
