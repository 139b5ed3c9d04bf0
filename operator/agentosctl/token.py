"""`agentosctl token`: sign a short-lived token for a person, with the workspace's own secret.

Whoever may read the Secret agentos-jwt of a workspace may sign tokens for it, so this adds no right that the caller
lacks. The Secret is read first and the Workspace only to explain its absence: a tenant's administrator may read
Secrets in their namespace but no cluster-scoped object.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from agentosctl import duration
from agentosctl.cluster import SECRET, WORKSPACE, Cluster, Resource
from agentosctl.errors import CliError, Forbidden, NotFound

SECRET_NAME = "agentos-jwt"  # noqa: S105 - the name of a Secret, not a secret
LONGEST = timedelta(hours=24)
"""Every runtime refuses tokens that live longer."""
USUAL = timedelta(minutes=15)
"""How long a token lives when nobody says."""
SHORTEST_SECRET = 32
"""Bytes; RFC 7518, section 3.2, asks for a key at least as long as the hash."""
_NO = base64.b64encode(b"false").decode()
MOST_SCOPES = 100
SCOPE = re.compile(r"[A-Za-z0-9_.*-]+(:[A-Za-z0-9_.*-]+){1,3}")
"""agno's grammar: resource:action, or resource:id:action."""
USER = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
RESERVED_USERS = ("sa:", "__")
"""Beginnings of user names that agno keeps for service accounts and its scheduler; runtimes refuse them."""


@dataclass(frozen=True)
class Wish:
    """What the person asks for."""

    workspace: str
    user: str
    scopes: tuple[str, ...]
    ttl: timedelta | None
    """None for the usual time, or the workspace's longest where that is shorter."""


@dataclass(frozen=True)
class Signing:
    """What the workspace signs with."""

    secret: str = field(repr=False)
    issuer: str
    audience: str
    workspace: str
    longest: timedelta = LONGEST
    """What the workspace's runtimes accept (spec.auth.maxTokenLifetime)."""


def namespace_of(workspace: str) -> str:
    """The Namespace of a workspace."""
    return f"ws-{workspace}"


def check(wish: Wish) -> None:
    """Refuse what every runtime would refuse, before anything is read."""
    if wish.ttl is not None and not timedelta(seconds=1) <= wish.ttl <= LONGEST:
        raise CliError("--ttl must be at least 1s and at most 24h: runtimes refuse tokens that live longer")
    if not USER.fullmatch(wish.user) or not wish.user.strip():
        raise CliError("--user must have 1 to 255 printable characters and not only blanks")
    if wish.user.startswith(RESERVED_USERS):
        raise CliError(f"--user must not begin with {' or '.join(RESERVED_USERS)}: those names are agno's own")
    wrong = [scope for scope in wish.scopes if not SCOPE.fullmatch(scope)]
    if wrong:
        raise CliError(f"--scope {wrong[0]!r} is no scope: write it like agents:run or agents:support:run")
    if not 1 <= len(wish.scopes) <= MOST_SCOPES:
        raise CliError(f"give 1 to {MOST_SCOPES} scopes with --scope")


def claims(wish: Wish, signing: Signing, now: int) -> dict[str, Any]:
    """The token's content; every claim is one that runtimes require."""
    return {
        "iss": signing.issuer,
        "aud": signing.audience,
        "sub": wish.user,
        "workspace_id": signing.workspace,
        "scopes": list(wish.scopes),
        "iat": now,
        "exp": now + int(_ttl(wish, signing).total_seconds()),
    }


def _ttl(wish: Wish, signing: Signing) -> timedelta:
    """The token's life; CliError when the workspace's runtimes would refuse it."""
    if wish.ttl is None:
        return min(USUAL, signing.longest)
    if wish.ttl > signing.longest:
        raise CliError(
            f"--ttl must be at most {duration.text(signing.longest)} in the workspace {signing.workspace}: "
            "its runtimes refuse tokens that live longer (spec.auth.maxTokenLifetime)"
        )
    return wish.ttl


def mint(cluster: Cluster, wish: Wish, now: int) -> str:
    """A signed token."""
    import jwt  # noqa: PLC0415 - slow to import, and `status` and `--help` do without it

    check(wish)
    signing = signing_of(cluster, wish.workspace)
    return jwt.encode(claims(wish, signing, now), signing.secret, algorithm="HS256")


def signing_of(cluster: Cluster, workspace: str) -> Signing:
    """What the workspace signs with, read with the caller's rights."""
    try:
        secret = cluster.get(SECRET, SECRET_NAME, namespace_of(workspace))
    except NotFound as error:
        raise CliError(_why_absent(cluster, workspace)) from error
    except Forbidden:
        # In a namespace that does not exist everything is forbidden; that would be the better answer.
        _raise_if_absent(cluster, workspace)
        raise
    return parse(secret, workspace)


def _why_absent(cluster: Cluster, workspace: str) -> str:
    missing = f"the Secret {namespace_of(workspace)}/{SECRET_NAME} does not exist"
    try:
        found = cluster.get(WORKSPACE, workspace)
    except NotFound:
        return f"there is no Workspace {workspace}"
    except Forbidden:
        return f"{missing}: the workspace may not exist or not be ready (you may not get workspaces to find out)"
    ready = _ready(found)
    if ready.get("status") == "True":
        return f"{missing} although the workspace is ready: the operator makes it again within minutes"
    because = f"{ready['reason']}: {ready['message']}" if ready else "the operator has not seen it yet; is it running?"
    return f"the workspace {workspace} is not ready, so {missing}. {because}"


def _raise_if_absent(cluster: Cluster, workspace: str) -> None:
    try:
        cluster.get(WORKSPACE, workspace)
    except NotFound as error:
        raise CliError(f"there is no Workspace {workspace}") from error
    except CliError:
        return


def _ready(workspace: Resource) -> dict[str, str]:
    conditions = workspace.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})


def parse(secret: Resource, workspace: str) -> Signing:
    """The Secret's content; CliError, without any of it, when it is not what the operator writes."""
    where = f"the Secret {namespace_of(workspace)}/{SECRET_NAME}"
    values = {}
    for key in ("secret", "issuer", "audience", "workspace"):
        try:
            values[key] = base64.b64decode(secret.get("data", {}).get(key, ""), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise CliError(f"{where} has no readable text under the key {key}") from error
        if not values[key]:
            raise CliError(
                f"{where} lacks the key {key}: somebody changed it, and the operator repairs it within minutes"
            )
    if secret.get("data", {}).get("accepted") == _NO:
        raise CliError(
            f"the workspace {workspace} accepts no tokens of its generated secret: spec.auth.issuers of the Workspace "
            "lists none of type GeneratedSecret; have one of its issuers sign"
        )
    if len(values["secret"].encode()) < SHORTEST_SECRET:
        raise CliError(f"{where} holds a secret of under {SHORTEST_SECRET} bytes, which runtimes do not accept")
    return Signing(**values, longest=_longest(secret))


def _longest(secret: Resource) -> timedelta:
    """The longest life of a token; a Secret without it is an earlier operator's."""
    try:
        text = base64.b64decode(secret.get("data", {}).get("max-lifetime-seconds", ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return LONGEST
    return timedelta(seconds=int(text)) if re.fullmatch(r"[0-9]{1,6}", text) else LONGEST
