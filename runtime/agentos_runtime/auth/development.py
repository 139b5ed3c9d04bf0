"""A token for trying things out on a laptop, signed with the secret this process made up for itself."""

from __future__ import annotations

import time

from agentos_runtime.settings import Settings

_SCOPES = [
    "agents:read",
    "agents:run",
    "teams:read",
    "teams:run",
    "workflows:read",
    "workflows:run",
    "sessions:read",
    "sessions:write",
    "sessions:delete",
    "memories:read",
    "learnings:read",
    "approvals:read",
    "approvals:write",
]


def development_token(settings: Settings, user: str = "developer") -> str:
    """As a workspace's issuer would write it."""
    import jwt  # noqa: PLC0415 - a start does not need it

    now = int(time.time())
    claims = {
        "iss": settings.auth.issuer,
        "aud": settings.auth.audience,
        "sub": user,
        "iat": now,
        "exp": now + settings.auth.max_lifetime_seconds,
        "workspace_id": settings.workspace,
        "scopes": _SCOPES,
    }
    return jwt.encode(claims, settings.auth.secrets[0], algorithm="HS256")
