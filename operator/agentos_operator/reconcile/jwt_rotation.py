"""Takes a workspace's signing secret to its successor, one stored step at a time (docs/decisions/0008)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from agentos_operator import reasons
from agentos_operator.clients.kinds import SECRET
from agentos_operator.desired.secrets import JWT_POD_KEYS, JWT_PODS_ID, build_jwt_secret, pods_id
from agentos_operator.naming import JWT_SECRET
from agentos_operator.reconcile.children import Children
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.rotation_report import (
    POLL_SECONDS,
    Progress,
    RotationReport,
    Step,
    finished,
    under_way,
)
from agentos_operator.reconcile.stragglers import Stragglers, find_stragglers
from agentos_operator.resources.workspace import Workspace
from agentos_operator.rotation.keys import (
    SECRET_BYTES,
    Keys,
    Phase,
    add,
    finish,
    key_annotations,
    old_tokens_end,
    read_keys,
    switch,
    withdraw,
)
from agentos_operator.rotation.schedule import is_due, write_time


@dataclass(frozen=True)
class JwtRotation:
    """One reconciliation's look at the signing secret."""

    context: Context
    children: Children
    workspace: Workspace
    report: RotationReport

    async def run(self) -> None:
        """Make the Secret what it should be, and take the next step, if it can be taken."""
        now, wish = self.context.now(), self.workspace.rotation.jwt
        live = await self.children.look(SECRET, JWT_SECRET, self.workspace.namespace)
        keys = read_keys(live, wish, now, _new_secret)
        if keys.phase is Phase.SETTLED and is_due(wish, keys.past, now):
            keys = add(keys, wish, _new_secret)
        waiting = await self._stored(keys, now)
        if (after := self._advanced(keys, waiting, now)) != keys:
            await self._stored(after, now)

    def _advanced(self, keys: Keys, waiting: Stragglers | None, now: datetime) -> Keys:
        """The next step's state, or the same when it has to wait."""
        end = old_tokens_end(keys, self.workspace.rotation.max_token_lifetime)
        if keys.phase is Phase.ADDING and waiting is None:
            return switch(keys, now)
        if keys.phase is Phase.SWITCHED and end and now >= end:
            return withdraw(keys)
        if keys.phase is Phase.CLEARING and waiting is None:
            return finish(keys, now)
        return keys

    async def _stored(self, keys: Keys, now: datetime) -> Stragglers | None:
        """Write ``keys``, see which pods have not followed, report both."""
        secret = build_jwt_secret(self.workspace, keys.signer, keys.verifiers, key_annotations(keys))
        await self.children.apply(secret)
        waiting = None
        if keys.phase in (Phase.ADDING, Phase.CLEARING):
            current = pods_id(secret, JWT_POD_KEYS)
            waiting = await find_stragglers(self.context, self.workspace.namespace, JWT_PODS_ID, current)
        self.report.progress["auth"] = self._progress(keys, waiting, now)
        return waiting

    def _progress(self, keys: Keys, waiting: Stragglers | None, now: datetime) -> Progress:
        if keys.phase is Phase.SETTLED:
            return finished({}, self.workspace.rotation.jwt, keys.past, now)
        end = old_tokens_end(keys, self.workspace.rotation.max_token_lifetime)
        return under_way({}, keys.past, _for_tokens(end, now) if end else _for_pods(keys, waiting))


def _for_tokens(end: datetime, now: datetime) -> Step:
    message = (
        "Tokens are signed with the new secret; the earlier one is accepted until all of its tokens have expired, at "
        f"{write_time(end)}."
    )
    left = max(0.0, (end - now).total_seconds())
    return Step(
        Phase.SWITCHED.value, reasons.ROTATION_WAITS_FOR_TOKENS, message, left, {"acceptedUntil": write_time(end)}
    )


def _for_pods(keys: Keys, waiting: Stragglers | None) -> Step:
    left = waiting.text if waiting else "none"
    if keys.phase is Phase.ADDING:
        message = f"A new signing secret comes into use when pods that do not accept it yet have been replaced: {left}."
    else:
        message = f"The earlier signing secret is accepted until pods that know it have been replaced: {left}."
    details = {"pods": waiting.pods if waiting else 0}
    return Step(keys.phase.value, reasons.ROTATION_WAITS_FOR_PODS, message, POLL_SECONDS, details)


def _new_secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)
