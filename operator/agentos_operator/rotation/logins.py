"""The two login roles of a workspace and their passwords, as the Secret agentos-database tells them; pure.

::

    settled   one login                             ──stage──>   staged
    staged    the other login's password is stored  ──switch──>  moving
    moving    the other login is in use, the first  ──retire──>  settled
              one still works for pods that have it

Both passwords stand in the Secret until the last step, so the roles can be made to fit it at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from agentos_operator.clients.postgres import Credential
from agentos_operator.database_names import DatabaseNames
from agentos_operator.naming import (
    CREDENTIALS_ANNOTATION,
    NEXT_CREDENTIALS_ANNOTATION,
    PREVIOUS_CREDENTIALS_ANNOTATION,
)
from agentos_operator.resources.common import Object
from agentos_operator.resources.rotation import Wish
from agentos_operator.resources.secret import secret_values
from agentos_operator.rotation.schedule import Past, fresh_past, past_annotations, read_past

NEXT_PASSWORD = "next-password"  # noqa: S105 - the name of a key
PREVIOUS_PASSWORD = "previous-password"  # noqa: S105 - the name of a key

MakeCredential = Callable[[], Credential]


@dataclass(frozen=True)
class Logins:
    """Which login role is in use and which passwords there are."""

    active: str
    """Login role that the Secret hands out."""
    idle: str
    """The other one."""
    current: Credential
    """Of ``active``."""
    next: Credential | None
    """Of ``idle``, before it is handed out."""
    previous: Credential | None
    """Of ``idle``, after ``active`` has taken its place. Never there together with ``next``."""
    past: Past

    @property
    def under_way(self) -> bool:
        """Whether a rotation has begun and not ended."""
        return self.next is not None or self.previous is not None

    @property
    def credentials(self) -> dict[str, Credential | None]:
        """By login role, what must be able to log in."""
        return {self.active: self.current, self.idle: self.next or self.previous}


def read_logins(
    live: Object | None, names: DatabaseNames, known_login: str, wish: Wish, now: datetime, make: MakeCredential
) -> Logins:
    """What the Secret tells, completed where it was spoiled.

    ``known_login`` is the login that status names, for a Secret that no longer says which one is in use: the same
    login with another password, which does not end the sessions that it has.
    """
    values = secret_values(live) if live else {}
    annotations = live["metadata"].get("annotations", {}) if live else {}
    active = next((each for each in (values.get("username"), known_login) if each in names.logins), names.login_a)
    idle = names.login_b if active == names.login_a else names.login_a
    current = _credential(values.get("password", ""), annotations.get(CREDENTIALS_ANNOTATION, ""))
    if values.get("username") != active:
        current = None
    previous = _credential(values.get(PREVIOUS_PASSWORD, ""), annotations.get(PREVIOUS_CREDENTIALS_ANNOTATION, ""))
    following = _credential(values.get(NEXT_PASSWORD, ""), annotations.get(NEXT_CREDENTIALS_ANNOTATION, ""))
    return Logins(
        active=active,
        idle=idle,
        current=current or make(),
        next=None if previous else following,
        previous=previous,
        past=read_past(annotations, now) if current else fresh_past(wish, now),
    )


def stage(logins: Logins, wish: Wish, make: MakeCredential) -> Logins:
    """Begin a rotation, which answers every request made so far."""
    return replace(logins, next=make(), past=replace(logins.past, handled=wish.requests))


def switch(logins: Logins) -> Logins:
    """Hand out the staged login; the one handed out until now goes on working."""
    if logins.next is None:
        return logins
    return replace(
        logins,
        active=logins.idle,
        idle=logins.active,
        current=logins.next,
        next=None,
        previous=logins.current,
    )


def retire(logins: Logins, now: datetime) -> Logins:
    """Forget the password of the login that nobody uses any more; the rotation has ended."""
    return replace(logins, previous=None, past=replace(logins.past, rotated_at=now))


def login_values(logins: Logins) -> dict[str, str]:
    """The Secret's values that only the operator reads.

    Empty ones are written too: a key that we do not send stays in the Secret if somebody else has written it.
    """
    return {
        NEXT_PASSWORD: logins.next.password if logins.next else "",
        PREVIOUS_PASSWORD: logins.previous.password if logins.previous else "",
    }


def login_annotations(logins: Logins) -> Mapping[str, str]:
    """The Secret's annotations."""
    return {
        CREDENTIALS_ANNOTATION: logins.current.id,
        NEXT_CREDENTIALS_ANNOTATION: logins.next.id if logins.next else "",
        PREVIOUS_CREDENTIALS_ANNOTATION: logins.previous.id if logins.previous else "",
        **past_annotations(logins.past),
    }


def _credential(password: str, identifier: str) -> Credential | None:
    usable = identifier and password and password.isascii() and password.isprintable()
    return Credential(identifier, password) if usable else None
