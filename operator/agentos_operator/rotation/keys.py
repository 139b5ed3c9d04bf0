"""A workspace's HS256 secrets as the Secret agentos-jwt tells them; pure.

::

    SETTLED     signs with S, accepts S                    ──add──>       ADDING
    ADDING      signs with S, accepts S and T              ──switch──>    SWITCHED   once every pod accepts T
    SWITCHED    signs with T, accepts S and T              ──withdraw──>  CLEARING   once all tokens of S have expired
    CLEARING    signs with T, accepts T; pods follow       ──finish──>    SETTLED    once no pod accepts S

The verifiers stand in the order of their making: the signer is the first of two in ADDING, the last in SWITCHED. Their
list is the same in both, so pods are replaced twice in a rotation and not three times.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from agentos_operator.naming import CLEARING_ANNOTATION, CREDENTIALS_ANNOTATION, SWITCHED_ANNOTATION
from agentos_operator.resources.common import Object
from agentos_operator.resources.rotation import Wish
from agentos_operator.resources.secret import secret_values
from agentos_operator.rotation.schedule import (
    Past,
    fresh_past,
    past_annotations,
    read_past,
    read_time,
    write_time,
)

SECRET_BYTES = 32
"""Random bytes of an HS256 secret: as many as its hash has (RFC 7518, 3.2)."""
SIGNER_DELAY = timedelta(minutes=2)
"""How long a signer may go on with the secret that it had read before the switch. The kubelet brings a changed Secret
into a mounted volume within its sync period of a minute and the delay of its cache
(https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod)."""

MakeSecret = Callable[[], str]


class Phase(enum.Enum):
    """How far a rotation has come; the value stands in status."""

    SETTLED = "Settled"
    ADDING = "AddingVerifier"
    SWITCHED = "WaitingForOldTokens"
    CLEARING = "RemovingVerifier"


@dataclass(frozen=True)
class Keys:
    """Who signs and what is accepted."""

    phase: Phase
    signer: str = field(repr=False)
    """The secret that new tokens are signed with."""
    other: str = field(repr=False)
    """The second secret that is accepted: the signer's successor or predecessor; empty for none."""
    switched_at: datetime | None
    """When the signer was changed; in SWITCHED alone."""
    past: Past

    @property
    def verifiers(self) -> tuple[str, ...]:
        """All secrets that are accepted, the oldest first."""
        if not self.other:
            return (self.signer,)
        return (self.signer, self.other) if self.phase is Phase.ADDING else (self.other, self.signer)


def read_keys(live: Object | None, wish: Wish, now: datetime, make: MakeSecret) -> Keys:
    """What the Secret tells, completed where it was spoiled."""
    values = secret_values(live) if live else {}
    annotations = live["metadata"].get("annotations", {}) if live else {}
    signer = values.get("secret", "")
    if not _is_usable(signer):
        return Keys(Phase.SETTLED, make(), "", None, fresh_past(wish, now))
    past = read_past(annotations, now)
    accepted = [each for each in values.get("verification-secrets", "").split() if _is_usable(each)]
    others = [each for each in accepted if each != signer]
    if signer not in accepted or not others:
        phase = Phase.CLEARING if annotations.get(CLEARING_ANNOTATION) else Phase.SETTLED
        return Keys(phase, signer, "", None, past)
    if accepted[0] == signer:
        return Keys(Phase.ADDING, signer, others[-1], None, past)
    # Without a time nobody knows how old the switch is: the wait begins anew.
    switched_at = read_time(annotations.get(SWITCHED_ANNOTATION, ""), now) or now
    return Keys(Phase.SWITCHED, signer, others[-1], switched_at, past)


def add(keys: Keys, wish: Wish, make: MakeSecret) -> Keys:
    """Begin a rotation, which answers every request made so far."""
    return replace(keys, phase=Phase.ADDING, other=make(), past=replace(keys.past, handled=wish.requests))


def switch(keys: Keys, now: datetime) -> Keys:
    """Sign with the new secret; the old one is still accepted."""
    return replace(keys, phase=Phase.SWITCHED, signer=keys.other, other=keys.signer, switched_at=now)


def withdraw(keys: Keys) -> Keys:
    """Accept the old secret no longer."""
    return replace(keys, phase=Phase.CLEARING, other="", switched_at=None)


def finish(keys: Keys, now: datetime) -> Keys:
    """No pod accepts the old secret: the rotation has ended."""
    return replace(keys, phase=Phase.SETTLED, past=replace(keys.past, rotated_at=now))


def old_tokens_end(keys: Keys, lifetime: timedelta) -> datetime | None:
    """When every token that was signed with the old secret has expired; None when there is no such wait."""
    return keys.switched_at + lifetime + SIGNER_DELAY if keys.switched_at else None


def key_annotations(keys: Keys) -> Mapping[str, str]:
    """The Secret's annotations; empty ones too, for the reason that ``logins.login_values`` gives."""
    return {
        CREDENTIALS_ANNOTATION: hashlib.sha256(keys.signer.encode()).hexdigest()[:10],
        SWITCHED_ANNOTATION: write_time(keys.switched_at) if keys.switched_at else "",
        CLEARING_ANNOTATION: "true" if keys.phase is Phase.CLEARING else "",
        **past_annotations(keys.past),
    }


def _is_usable(secret: str) -> bool:
    """Long enough, and one word: the list of verifiers is separated by blanks."""
    return len(secret.encode()) >= SECRET_BYTES and len(secret.split()) == 1 and secret == secret.strip()
