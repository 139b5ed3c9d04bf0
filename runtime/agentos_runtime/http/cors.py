"""Answers to browsers' questions of origin: which pages may call this runtime.

Outside of authentication, because a preflight carries no token, and outside of problem documents, because a page can
read an error only when its headers admit that. agno's own layer would admit six origins of its choice; it is given
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from starlette.middleware.cors import CORSMiddleware

from agentos_runtime.asgi import App

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
EXPOSED = ("x-request-id", "www-authenticate", "retry-after")
"""Response headers that a page may read beside the plain ones."""
_REMEMBERED_SECONDS = 600


def cors(app: App, origins: Sequence[str]) -> App:
    """`app` for pages of the given origins and no other; a request without an Origin passes as it is."""
    layer = CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=list(METHODS),
        allow_headers=["*"],
        # No cookie is ever read; a Control Plane's page may ask with credentials all the same.
        allow_credentials=True,
        expose_headers=list(EXPOSED),
        max_age=_REMEMBERED_SECONDS,
    )
    return cast("App", layer)
