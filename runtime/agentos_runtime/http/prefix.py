"""Takes the deployment's own path off every request, where deployments share a host and differ by path.

No gateway rewrites paths here: an Ingress has no standard for it. So the runtime is told its prefix and everything
below this layer sees what it would see on a host of its own. ASGI's `root_path` stays empty on purpose: Starlette
would take it off a second time from a path that begins with the prefix twice, and route it to something else than
what was authorized.
"""

from __future__ import annotations

from agentos_runtime.asgi import App, Receive, Scope, Send
from agentos_runtime.http.problems import send_problem

UNPREFIXED = frozenset({"/livez", "/readyz"})
"""The kubelet asks the pod itself and knows of no prefix."""


class PathPrefix:
    """Lets through what lies below the prefix, and probes; anything else is 404."""

    def __init__(self, app: App, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not self._prefix or scope["path"] in UNPREFIXED or self._strip(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "not offered"})
        else:
            await send_problem(scope, send, 404, "Nothing is served at this path.")

    def _strip(self, scope: Scope) -> bool:
        """Take the prefix off, in place: the layer outside reads the route from this scope when it is done.

        The path as it was sent decides, because it is what the gateway matched: `%2F` is no separator there.
        """
        sent = scope.get("raw_path") or scope["path"].encode()
        if not _is_below(sent, self._prefix.encode()):
            return False
        scope["raw_path"] = sent[len(self._prefix) :] or b"/"
        scope["path"] = scope["path"][len(self._prefix) :] or "/"
        scope["app_root_path"] = self._prefix  # read by `Request.base_url` alone
        return True


def _is_below(path: bytes, prefix: bytes) -> bool:
    return path == prefix or path.startswith(prefix + b"/")
