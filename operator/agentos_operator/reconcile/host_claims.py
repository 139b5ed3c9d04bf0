"""Which AgentDeployment has which of the hosts that people chose; in memory, so that asking costs no listing.

The facts live in the cluster and survive a restart: ``status.host`` of the deployment that holds a host, written
before its route names the host and taken back after its route has stopped to; ``creationTimestamp`` and UID among
those that want one which nobody holds. They are listed once, when a host is first asked for, and followed by the
watch from then on. Taking is a step without ``await``, so two reconciliations side by side cannot both take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, WORKSPACE
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.naming import workspace_of
from agentos_operator.resources.common import Object
from agentos_operator.workqueue import Key


@dataclass(frozen=True, order=True)
class Claim:
    """What one AgentDeployment wants and has; the smallest of several is the oldest."""

    created: str
    """RFC 3339 in UTC, so it sorts as text."""
    uid: str
    namespace: str
    name: str
    wanted: str | None
    held: str | None
    version: int

    @property
    def key(self) -> Key:
        """The deployment's key in the queue."""
        return Key(AGENT_DEPLOYMENT.kind, self.namespace, self.name)


class HostClaims:
    """All claims, the hosts' holders, and what each Workspace was granted."""

    def __init__(self, mark: Callable[[Key], None]) -> None:
        self._mark = mark
        self._claims: dict[str, Claim] = {}
        self._wanted: dict[str, set[str]] = {}
        self._holders: dict[str, str] = {}
        self._holding: dict[str, str] = {}
        self._granted: dict[str, tuple[int, frozenset[str]]] = {}
        self._following = False
        self._loading = asyncio.Lock()
        self._loaded = False

    async def load(self, kubernetes: Kubernetes) -> None:
        """List everything, the first time: events of before were of no use to anybody.

        Raises:
            ApiError: nothing may be decided yet.
        """
        async with self._loading:
            if self._loaded:
                return
            self._following = True
            for workspace in await kubernetes.list(WORKSPACE, None, {}):
                self.observe_workspace(workspace, deleted=False)
            for deployment in await kubernetes.list(AGENT_DEPLOYMENT, None, {}):
                self.observe(deployment, deleted=False)
            self._adopt_holders()
            self._loaded = True

    def observe(self, body: Object, *, deleted: bool) -> None:
        """An AgentDeployment is so now, or was deleted."""
        if not self._following:
            return
        claim, uid = _parse(body), body["metadata"]["uid"]
        before = self._claims.get(uid)
        if before is not None and before.version > claim.version:
            return
        if deleted:
            self.drop(uid)
            return
        if before is not None:
            self._forget(before)
        if claim.wanted or claim.held or uid in self._holding:
            self._claims[uid] = claim
            self._wanted.setdefault(claim.wanted or "", set()).add(uid)
        if before is not None and before.wanted != claim.wanted:
            self._wake((before.wanted,))

    def observe_workspace(self, body: Object, *, deleted: bool) -> None:
        """A Workspace is so now, or was deleted."""
        if not self._following:
            return
        name, version = body["metadata"]["name"], int(body["metadata"].get("resourceVersion", 0))
        hosts = frozenset() if deleted else frozenset(body["spec"].get("routing", {}).get("hosts", ()))
        known, before = self._granted.get(name, (-1, frozenset()))
        if version <= known and not deleted:
            return
        self._granted[name] = (version, hosts)
        if deleted or not hosts:
            del self._granted[name]
        self._wake(before ^ hosts)

    def winner(self, host: str) -> Claim | None:
        """Who holds ``host``, or else who is to have it: the oldest of those that want it and were granted it."""
        if (holder := self._holders.get(host)) is not None:
            return self._claims[holder]
        claims = [self._claims[uid] for uid in self._wanted.get(host, ())]
        return min((claim for claim in claims if self._is_granted(claim)), default=None)

    def take(self, host: str, uid: str) -> bool:
        """Hold ``host`` for the deployment with ``uid`` from now on, unless another one is to have it."""
        first = self.winner(host)
        if first is None or first.uid != uid:
            return False
        if self._holding.get(uid) != host:
            self.let_go(uid)
        self._holders[host], self._holding[uid] = uid, host
        return True

    def let_go(self, uid: str) -> None:
        """Neither route nor status of the deployment with ``uid`` names a host of its own any more."""
        if host := self._holding.pop(uid, None):
            del self._holders[host]
            self._wake((host,))

    def drop(self, uid: str) -> None:
        """The deployment with ``uid`` exists no more."""
        self.let_go(uid)
        if claim := self._claims.get(uid):
            self._forget(claim)

    def _forget(self, claim: Claim) -> None:
        del self._claims[claim.uid]
        wanting = self._wanted.get(claim.wanted or "", set())
        wanting.discard(claim.uid)
        if not wanting:
            self._wanted.pop(claim.wanted or "", None)

    def _adopt_holders(self) -> None:
        """Whoever status names; of two, the one that still wants it, then the oldest."""
        for claim in sorted(self._claims.values(), key=lambda each: (each.held != each.wanted, each)):
            if claim.held and claim.held not in self._holders:
                self._holders[claim.held], self._holding[claim.uid] = claim.uid, claim.held

    def _is_granted(self, claim: Claim) -> bool:
        _, hosts = self._granted.get(workspace_of(claim.namespace) or "", (0, frozenset()))
        return claim.wanted in hosts

    def _wake(self, hosts: Iterable[str | None]) -> None:
        for host in hosts:
            for uid in self._wanted.get(host or "", ()):
                if host:
                    self._mark(self._claims[uid].key)


def _parse(body: Object) -> Claim:
    metadata = body["metadata"]
    return Claim(
        created=metadata["creationTimestamp"],
        uid=metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        wanted=body["spec"].get("routing", {}).get("host"),
        held=body.get("status", {}).get("host"),
        version=int(metadata.get("resourceVersion", 0)),
    )
